/**
 * The only file that starts programs. Every child leads its own process group. The whole group ends when the caller
 * aborts, when its deadline passes, when it writes too much, and when the agent dies in any way.
 */

import { writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { execa } from 'execa'
import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { findInstalled } from './installed-program.ts'
import { createGuard, GUARD_LAUNCHER, GUARD_SCRIPT, type GuardProcess } from './process-guard.ts'
import { createLines, DEFAULT_LIMITS, type OutputLimits, type OutputLine } from './process-lines.ts'
import { readAtIntervals, type StdoutReader, withoutReadAhead } from './process-reader.ts'
import { type Cause, type ProcessResult, resultOf } from './process-result.ts'

export type { OutputLimits, OutputLine } from './process-lines.ts'
export type { ProcessResult } from './process-result.ts'

type StartOptions = {
  /** Ends the process group when aborted. */
  signal: AbortSignal
  /** Longest time to run, after which the process group is ended. Undefined only where the signal alone decides. */
  deadlineSeconds: number | undefined
  /** Limits of the output; a program that exceeds them is ended. */
  limits?: Partial<OutputLimits>
  /** Gives the program the lowest CPU priority, so that this process runs before hundreds of such programs. */
  isBackground?: boolean
  /** Creates no span: nobody requested this, such as the version of a program. */
  isUntraced?: boolean
  /** Reads stdout instead of `lines`, in chunks of any size. */
  stdout?: StdoutReader
}

export type RunningProcess = {
  /** Process id and id of the process group. Undefined when the program could not be started. */
  readonly pid: number | undefined
  /** The lines of both streams. Can be iterated once; ends when the program has ended. */
  readonly lines: AsyncIterable<OutputLine>
  /** Resolves when the program has ended and the rest of its group was killed; never rejects. */
  readonly done: Promise<ProcessResult>
  /** Ends the group: SIGTERM, then SIGKILL after the grace period. Resolves with `done`. */
  end(): Promise<ProcessResult>
}

export type Processes = {
  /** Whether the program exists and may be executed. Starts nothing, and creates no span. */
  isInstalled(file: string): Promise<boolean>
  /**
   * Starts a program once the process guard runs.
   * @throws `signal.reason` when aborted before the start; Error after `close`
   */
  start(file: string, args: readonly string[], options: StartOptions): Promise<RunningProcess>
  /** Runs a program to its end; returns all that it wrote to stdout. */
  run(
    file: string,
    args: readonly string[],
    options: StartOptions,
  ): Promise<ProcessResult & { stdout: string }>
  /** Ends every group and the guard. No program can be started afterwards. */
  close(): Promise<void>
}

export type ProcessesDeps = { logger: Pick<Logger, 'debug' | 'warn' | 'error'>; clock: Clock }

export type ProcessesOptions = {
  /** The environment of the programs; LC_ALL=C is added, so that their messages can be parsed. */
  environment?: Readonly<Record<string, string>>
  /** Time between SIGTERM and SIGKILL. */
  graceSeconds?: number
}

/** PATH when no environment is given. Includes sbin, where some systems have fping. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Time after SIGKILL at which a program counts as stuck in the kernel (a hung driver or NFS). It is then reported to the
 * caller and left to the guard.
 */
const STUCK_SECONDS = 5

/** Maximum output of a program that is run for its whole output. */
const RUN_LIMITS: Partial<OutputLimits> = { burstBytes: 4 * 1024 * 1024, bytesPerSecond: 0 }

/** Signals a whole group. Ignores a group that has ended; one without permission is later reported as stuck. */
const signalGroup = (group: number, signal: 'SIGTERM' | 'SIGKILL'): void => {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/**
 * Gives a process the lowest CPU priority. It has a session of its own, so Linux shares the CPU between the sessions
 * ("autogroup", sched(7)) and not between the processes: both have a nice value.
 */
const lowerPriority = (pid: number): void => {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW)
    writeFileSync(`/proc/${pid}/autogroup`, String(constants.priority.PRIORITY_LOW))
  } catch (error) {
    // The process has ended, the kernel has no autogroups, or it limits how often users without privileges set them.
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!['ESRCH', 'ENOENT', 'EAGAIN', 'EACCES'].includes(code)) throw error
  }
}

const startGuard = (environment: Readonly<Record<string, string>>): GuardProcess => {
  const guard = execa('sh', ['-c', GUARD_LAUNCHER], {
    // Its own session: a signal to the agent's process group or terminal does not reach the guard.
    detached: true,
    cleanup: false,
    buffer: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
    reject: false,
    extendEnv: false,
    env: { ...environment, GUARD_SCRIPT },
  })
  // A write to a guard that has ended fails; `ended` reports that.
  guard.stdin.on('error', () => undefined)
  const confirmed = new Promise<void>((resolve) => guard.stdout.once('data', () => resolve()))
  return {
    write: (text) => void guard.stdin.write(text),
    end: () => void guard.stdin.end(),
    confirmed,
    ended: guard.then(() => undefined),
  }
}

type ChildContext = ProcessesDeps & {
  environment: Readonly<Record<string, string>>
  graceSeconds: number
  guard: ReturnType<typeof createGuard>
}

/** Starts one program and watches it to its end. */
const createChild = (
  file: string,
  args: readonly string[],
  startOptions: StartOptions,
  { clock, logger, environment, graceSeconds, guard }: ChildContext,
): RunningProcess => {
  const { deadlineSeconds, signal } = startOptions
  const settled = new AbortController()
  const stuck = Promise.withResolvers<undefined>()
  let cause: Cause | undefined
  let floodReason = ''

  const reader = startOptions.stdout
  const spawn = () =>
    execa(file, args, {
      detached: true,
      // The guard replaces execa's own clean-up, which does not work after kill -9.
      cleanup: false,
      buffer: false,
      reject: false,
      stdin: 'ignore',
      extendEnv: false,
      env: environment,
    })
  const child = reader ? withoutReadAhead(spawn) : spawn()
  const { pid } = child
  if (pid !== undefined) {
    guard.add(pid)
    if (startOptions.isBackground) lowerPriority(pid)
  }

  /** Resolves true after the time, false as soon as the program has ended. */
  const stillRunsAfter = (seconds: number): Promise<boolean> =>
    clock.sleep(seconds, settled.signal).then(
      () => true,
      () => false,
    )
  const stop = async (why: Cause): Promise<void> => {
    if (cause || pid === undefined || settled.signal.aborted) return
    cause = why
    signalGroup(pid, 'SIGTERM')
    if (!(await stillRunsAfter(graceSeconds))) return
    signalGroup(pid, 'SIGKILL')
    if (!(await stillRunsAfter(STUCK_SECONDS))) return
    cause = 'stuck'
    logger.error({ file, pid }, 'a program cannot be ended')
    stuck.resolve(undefined)
  }
  const lines = createLines({
    limits: { ...DEFAULT_LIMITS, ...startOptions.limits },
    monotonicSeconds: clock.monotonicSeconds,
    yieldTurn: clock.yield,
    onFlood: (reason) => {
      floodReason = reason
      void stop('flooded')
    },
  })
  child.stdout.on('data', reader ? reader.take : (chunk: Buffer) => lines.push('stdout', chunk))
  if (reader && reader.everySeconds > 0) {
    const exited = new AbortController()
    child.nodeChildProcess.once('exit', () => exited.abort())
    void readAtIntervals(child.stdout, reader, clock, AbortSignal.any([exited.signal, settled.signal]))
  }
  child.stderr.on('data', (chunk: Buffer) => lines.push('stderr', chunk))

  const onAbort = () => void stop('aborted')
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  if (pid !== undefined) {
    // What a program leaves behind in its group has no owner, and may keep its output open.
    child.nodeChildProcess.once('exit', () => signalGroup(pid, 'SIGKILL'))
  }
  if (deadlineSeconds !== undefined) {
    void stillRunsAfter(deadlineSeconds).then((passed) => (passed ? stop('timedOut') : undefined))
  }

  const settle = async (): Promise<ProcessResult> => {
    const ended = await Promise.race([child, stuck.promise])
    settled.abort()
    signal.removeEventListener('abort', onAbort)
    // A stuck program stays registered, so that the guard kills it later.
    if (pid !== undefined && ended) guard.remove(pid)
    lines.end()
    return resultOf({ file, cause, ended, deadlineSeconds, floodReason, stderrTail: lines.stderrTail() })
  }
  const done = settle()
  const end = async () => {
    await stop('aborted')
    return done
  }
  return { pid, lines, done, end }
}

/** Waits for the promise, but not longer than until the signal aborts; then throws the signal's reason. */
const untilAborted = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

export const createProcesses = (deps: ProcessesDeps, options: ProcessesOptions = {}): Processes => {
  const environment: Record<string, string> = {
    ...(options.environment ?? { PATH: DEFAULT_PATH }),
    LC_ALL: 'C',
  }
  const guard = createGuard({ ...deps, start: () => startGuard(environment) })
  const context: ChildContext = { ...deps, environment, graceSeconds: options.graceSeconds ?? 1, guard }
  const running = new Set<RunningProcess>()
  let closed = false

  const throwIfClosed = () => {
    if (closed) throw new Error('the agent is ending: nothing can be started')
  }
  const start: Processes['start'] = async (file, args, startOptions) => {
    throwIfClosed()
    // An aborted call costs no process.
    await untilAborted(guard.ready(), startOptions.signal)
    throwIfClosed()
    const child = createChild(file, args, startOptions, context)
    running.add(child)
    void child.done.then((result) => {
      running.delete(child)
      deps.logger.debug({ file, pid: child.pid, reason: result.reason }, 'a program ended')
    })
    return child
  }

  return {
    isInstalled: async (file) =>
      (await findInstalled(file, (environment.PATH ?? '').split(':'))) !== undefined,
    start,
    run: async (file, args, startOptions) => {
      const limits = { ...RUN_LIMITS, ...startOptions.limits }
      const child = await start(file, args, { ...startOptions, limits })
      const stdout: string[] = []
      for await (const line of child.lines) if (line.stream === 'stdout') stdout.push(`${line.text}\n`)
      return { ...(await child.done), stdout: stdout.join('') }
    },
    close: async () => {
      closed = true
      await Promise.all(Array.from(running, (child) => child.end()))
      await guard.close()
    },
  }
}
