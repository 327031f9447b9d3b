import { AbortError } from 'abort-controller-x'
import { createLines, DEFAULT_LIMITS } from '../../../agent/process-lines.ts'
import { type Cause, resultOf } from '../../../agent/process-result.ts'
import type { Processes, RunningProcess } from '../../../agent/processes.ts'
import { currentCall, type ServedCall } from './calls.ts'
import type { ProcessClock } from './process-clock.ts'

/** Larger than any process id: the kernel knows nothing about a simulated program. */
const NO_PROCESS = 2 ** 23

/** A program answers SIGTERM within this time. */
const TERM_SECONDS = 0.05

/** How a simulated program talks to its host. */
export type ProgramIo = {
  node: number
  print(text: string): void
  printError(text: string): void
  now(): number
  /** Rejects when the program is ended. */
  sleep(seconds: number): Promise<void>
  /** Aborted when the program is ended. */
  signal: AbortSignal
}

/** A simulated program: resolves with its exit code. */
export type Program = (args: readonly string[], io: ProgramIo) => Promise<number>

/** A program that runs on a host, with the call that it was started for. */
export type StartedProgram = {
  readonly file: string
  readonly args: readonly string[]
  readonly node: number
  readonly call: ServedCall | undefined
  readonly startSeconds: number
}

type Deps = {
  /** Of the agent: a stopped one reads nothing. */
  agent: ProcessClock
  /** Of the programs, which run on while the agent is stopped. */
  host: ProcessClock
  node: number
  programs: Readonly<Record<string, Program>>
  running: Set<StartedProgram>
  /** Programs that ignore SIGTERM, for a test of a checker. */
  ignoresEnd: (file: string) => boolean
}

type StartOptions = Parameters<Processes['start']>[2]
type Exit = { exitCode?: number; signal?: string; code?: string }

/** One simulated program from its start to its end. */
const startProgram = (
  { agent, host, node, programs, running, ignoresEnd }: Deps,
  file: string,
  args: readonly string[],
  { signal, deadlineSeconds, limits, stdout: reader }: StartOptions,
): RunningProcess => {
  const ended = new AbortController()
  const done = Promise.withResolvers<ReturnType<typeof resultOf>>()
  let cause: Cause | undefined
  let floodReason = ''
  let unread = ''
  const stop = (why: Cause): void => {
    if (cause || ended.signal.aborted || ignoresEnd(file)) return
    cause = why
    host.after(TERM_SECONDS, () => exit({ signal: 'SIGTERM' }))
  }
  const lines = createLines({
    limits: { ...DEFAULT_LIMITS, ...limits },
    monotonicSeconds: agent.monotonicSeconds,
    yieldTurn: async () => undefined,
    onFlood: (reason) => {
      floodReason = reason
      stop('flooded')
    },
  })
  const started = { file, args, node, call: currentCall(), startSeconds: host.monotonicSeconds() }
  const read = () => {
    const text = unread
    unread = ''
    if (text !== '') reader?.take(Buffer.from(text, 'latin1'))
  }
  const onAbort = () => stop('aborted')
  const exit = (how: Exit): void => {
    if (ended.signal.aborted) return
    ended.abort(new AbortError())
    running.delete(started)
    agent.run(() => {
      signal.removeEventListener('abort', onAbort)
      read()
      lines.end()
      const stderrTail = lines.stderrTail()
      done.resolve(resultOf({ file, cause, ended: how, deadlineSeconds, floodReason, stderrTail }))
    })
  }
  const look = () => {
    if (ended.signal.aborted) return
    read()
    reader?.afterwards?.()
    agent.after(reader!.everySeconds, look)
  }
  signal.addEventListener('abort', onAbort)
  if (deadlineSeconds !== undefined) {
    const cancel = host.after(deadlineSeconds, () => stop('timedOut'))
    ended.signal.addEventListener('abort', cancel)
  }
  const program = programs[file]
  if (program) {
    running.add(started)
    if (reader && reader.everySeconds > 0) agent.after(reader.everySeconds, look)
    const print = (text: string) => {
      if (!reader) agent.run(() => lines.push('stdout', Buffer.from(`${text}\n`)))
      else {
        unread += `${text}\n`
        if (reader.everySeconds === 0) agent.run(read)
      }
    }
    const io: ProgramIo = {
      node,
      print,
      printError: (text) => agent.run(() => lines.push('stderr', Buffer.from(`${text}\n`))),
      now: host.monotonicSeconds,
      sleep: (seconds) => host.sleep(seconds, ended.signal),
      signal: ended.signal,
    }
    // A program that is ended leaves its last wait with an error.
    program(args, io).then(
      (exitCode) => exit({ exitCode }),
      () => undefined,
    )
  } else {
    host.after(0, () => exit({ code: 'ENOENT' }))
  }
  return {
    pid: NO_PROCESS,
    lines,
    done: done.promise,
    end: () => {
      stop('aborted')
      return done.promise
    },
  }
}

/** The programs of one simulated host, started by its agent. When the agent is killed, they end with it. */
export const createSimulatedProcesses = (deps: Deps): Processes => {
  const start: Processes['start'] = async (file, args, options) => {
    options.signal.throwIfAborted()
    return startProgram(deps, file, args, options)
  }
  return {
    isInstalled: async (file) => deps.programs[file] !== undefined,
    start,
    run: async (file, args, options) => {
      const child = await start(file, args, options)
      const stdout: string[] = []
      for await (const { stream, text } of child.lines) if (stream === 'stdout') stdout.push(`${text}\n`)
      return { ...(await child.done), stdout: stdout.join('') }
    },
    close: async () => undefined,
  }
}
