/**
 * The only file that starts programs. Every child leads a process group of its own, and the whole group ends when the
 * caller aborts, when its deadline passes, when it floods, and when the agent dies, however it dies.
 */

import { getDefaultHighWaterMark, type Readable, setDefaultHighWaterMark } from 'node:stream'
import { execa } from 'execa'
import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'
import { createGuard, GUARD_SCRIPT, type GuardProcess } from './process-guard.ts'
import { createLines, DEFAULT_LIMITS, type OutputLimits, type OutputLine } from './process-lines.ts'
import { type Cause, type ProcessResult, resultOf } from './process-result.ts'

export type { OutputLimits, OutputLine } from './process-lines.ts'
export type { ProcessResult } from './process-result.ts'

type StartOptions = {
  /** Ends the process group when aborted. */
  signal: AbortSignal
  /** Ends the process group when passed. Undefined only for what lives exactly as long as its signal. */
  deadlineSeconds: number | undefined
  /** What the program may write before it counts as flooding. */
  limits?: Partial<OutputLimits>
  /** Takes stdout as it comes instead of `lines`, in chunks of any size. */
  stdout?: StdoutReader
}

type StdoutReader = {
  /** Called with what was written since; must not throw. */
  take: (chunk: Buffer) => void
  /**
   * Time between two looks, for a program that writes very many short lines: each costs a wake-up otherwise. What it
   * writes meanwhile waits in the kernel, which holds some 250 lines before the program has to wait. 0 takes all at once.
   */
  everySeconds: number
  /** Called after each look. */
  afterwards?: () => void
}

export type RunningProcess = {
  /** Undefined when it could not be started. Also the id of its process group. */
  readonly pid: number | undefined
  /** What it writes, line by line, both streams. To be iterated once; ends when the program has ended. */
  readonly lines: AsyncIterable<OutputLine>
  /** Resolves when the program is gone and the rest of its group has been killed; never rejects. */
  readonly done: Promise<ProcessResult>
  /** Ends the group: SIGTERM, then SIGKILL after the grace period. Resolves with `done`. */
  end(): Promise<ProcessResult>
}

export type Processes = {
  start(file: string, args: readonly string[], options: StartOptions): RunningProcess
  /** Runs a program to its end and gives all that it wrote to stdout. */
  run(
    file: string,
    args: readonly string[],
    options: StartOptions,
  ): Promise<ProcessResult & { stdout: string }>
  /** Ends every group and the guard. Nothing can be started afterwards. */
  close(): Promise<void>
}

export type ProcessesDeps = { logger: Pick<Logger, 'debug' | 'warn' | 'error'>; clock: Clock }

export type ProcessesOptions = {
  /** The children's environment; LC_ALL=C is added, so that their messages can be parsed. */
  environment?: Readonly<Record<string, string>>
  /** Time between SIGTERM and SIGKILL. */
  graceSeconds?: number
}

/** Where programs are looked for when no environment is given: that of root, as fping lives in sbin on some systems. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * After SIGKILL a program is gone at once, unless the kernel holds it (a hung driver or NFS): then it is left to the
 * guard and its caller is told.
 */
const STUCK_SECONDS = 5

/** What a program that is run for its whole output may write in all. */
const RUN_LIMITS: Partial<OutputLimits> = { burstBytes: 4 * 1024 * 1024, bytesPerSecond: 0 }

/** Signals a whole group. One that is gone is no news; one that may not be signalled ends up reported as stuck. */
const signalGroup = (group: number, signal: 'SIGTERM' | 'SIGKILL'): void => {
  try {
    process.kill(-group, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

const startGuard = (environment: Readonly<Record<string, string>>): GuardProcess => {
  const guard = execa('sh', ['-c', GUARD_SCRIPT], {
    // A session of its own, so that what ends the agent's group or terminal does not end the guard.
    detached: true,
    cleanup: false,
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
    reject: false,
    extendEnv: false,
    env: environment,
  })
  // A guard that is gone fails the write, and `gone` says so: there is nothing to do here.
  guard.stdin.on('error', () => undefined)
  return {
    write: (text) => void guard.stdin.write(text),
    end: () => void guard.stdin.end(),
    gone: guard.then(() => undefined),
  }
}

/**
 * Reads only now and then. A stream that is paused goes on reading until it has as much as its high-water mark; that of
 * a child's stdout can only be set for all streams that are made at the moment, hence the detour.
 */
const withoutReadingAhead = <T>(make: () => T): T => {
  const usual = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 1)
  try {
    return make()
  } finally {
    setDefaultHighWaterMark(false, usual)
  }
}

/** Looks at stdout again and again until the program has ended, then reads the rest. */
const readNowAndThen = async (
  stdout: Readable,
  { everySeconds, afterwards }: StdoutReader,
  clock: Clock,
  ended: AbortSignal,
): Promise<void> => {
  const pause = () =>
    clock.sleep(everySeconds, ended).then(
      () => true,
      () => false,
    )
  stdout.pause()
  while (await pause()) {
    stdout.resume()
    // One turn of the event loop reads what is there.
    await clock.yield()
    stdout.pause()
    afterwards?.()
  }
  stdout.resume()
}

const atOnce = <T>(make: () => T): T => make()

type ChildContext = ProcessesDeps & {
  environment: Readonly<Record<string, string>>
  graceSeconds: number
  guard: ReturnType<typeof createGuard>
}

/** One program from its start to its end. */
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
  const child = (reader ? withoutReadingAhead : atOnce)(() =>
    execa(file, args, {
      detached: true,
      // The guard does what execa's own clean-up does, also for kill -9.
      cleanup: false,
      buffer: false,
      reject: false,
      stdin: 'ignore',
      extendEnv: false,
      env: environment,
    }),
  )
  const { pid } = child

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
    onFlood: (reason) => {
      floodReason = reason
      void stop('flooded')
    },
  })
  child.stdout.on('data', reader ? reader.take : (chunk: Buffer) => lines.push('stdout', chunk))
  if (reader && reader.everySeconds > 0) {
    const gone = new AbortController()
    child.nodeChildProcess.once('exit', () => gone.abort())
    void readNowAndThen(child.stdout, reader, clock, AbortSignal.any([gone.signal, settled.signal]))
  }
  child.stderr.on('data', (chunk: Buffer) => lines.push('stderr', chunk))

  const onAbort = () => void stop('aborted')
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  if (pid !== undefined) {
    guard.add(pid)
    // What a program leaves behind in its group has nobody to answer to, and may hold its output open.
    child.nodeChildProcess.once('exit', () => signalGroup(pid, 'SIGKILL'))
  }
  if (deadlineSeconds !== undefined) {
    void stillRunsAfter(deadlineSeconds).then((passed) => (passed ? stop('timedOut') : undefined))
  }

  const settle = async (): Promise<ProcessResult> => {
    const ended = await Promise.race([child, stuck.promise])
    settled.abort()
    signal.removeEventListener('abort', onAbort)
    // A stuck program stays registered: the guard gets the last word.
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

export const createProcesses = (deps: ProcessesDeps, options: ProcessesOptions = {}): Processes => {
  const environment = { ...(options.environment ?? { PATH: DEFAULT_PATH }), LC_ALL: 'C' }
  const guard = createGuard({ ...deps, start: () => startGuard(environment) })
  const context: ChildContext = { ...deps, environment, graceSeconds: options.graceSeconds ?? 1, guard }
  const running = new Set<RunningProcess>()
  let closed = false

  const start: Processes['start'] = (file, args, startOptions) => {
    if (closed) throw new Error('the agent is ending: nothing can be started')
    // A fleet in trouble aborts calls before they begin; those cost no process.
    startOptions.signal.throwIfAborted()
    const child = createChild(file, args, startOptions, context)
    running.add(child)
    void child.done.then((result) => {
      running.delete(child)
      deps.logger.debug({ file, pid: child.pid, reason: result.reason }, 'a program ended')
    })
    return child
  }

  return {
    start,
    run: async (file, args, startOptions) => {
      const limits = { ...RUN_LIMITS, ...startOptions.limits }
      const child = start(file, args, { ...startOptions, limits })
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
