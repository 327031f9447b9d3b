/** Runs one iperf3 server for one test. It runs in the foreground: a daemon would hide that it could not listen. */

import type { ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult, RunningProcess } from '../../processes.ts'
import type { Ceilings, EngineDeps, IperfListener, IperfServer } from '../engine.ts'
import { createIperfServer, endWhenLate } from '../iperf-program.ts'
import { faultError, programError, quote } from '../program-error.ts'
import { type Fault, faultOfEnd, programFault } from '../program-fault.ts'
import { waitingClients } from '../program-state.ts'
import { LIMITS, serverArgs, serverInterval } from './args.ts'
import { createRateWatch, createServerParser, type ServerTotals } from './output-server.ts'

/** Time of a test in addition to its duration: to connect, to exchange results and to end. */
const MARGIN_SECONDS = 15

/** iperf3 reports a client when it flushes its output, after an interval; doubled for a busy host. */
const flushSeconds = (listener: IperfListener): number => 2 * Math.max(1, serverInterval(listener))

/** Enough lines to identify a program that is not iperf3. */
const MAX_UNKNOWN_LINES = 10

const LISTENING = /^Server listening on \d+/
const CLIENT = /^Accepted connection from /
const END = /\b(?:sender|receiver) *$/
const ERROR = /^iperf3: (?:error - |interrupt - )?(?!exiting$)(.+)/

type Observed = {
  listening: boolean
  accepted: boolean
  finished: boolean
  errors: string[]
  unknown: string[]
  idle: boolean
  /** What the server counted, from its last lines. */
  totals: ServerTotals
  /** Why iperf3 itself is at fault. */
  fault: Fault
  /** A client moved more than the agent allows. */
  tooFast: boolean
}

const read = (observed: Observed, text: string): void => {
  if (LISTENING.test(text)) observed.listening = true
  else if (CLIENT.test(text)) observed.accepted = true
  else if (END.test(text)) observed.finished = true
  else if (ERROR.test(text)) observed.errors.push(ERROR.exec(text)![1]!)
  else if (!observed.listening && observed.unknown.length < MAX_UNKNOWN_LINES && /[^-\s]/.test(text))
    observed.unknown.push(text)
}

const resultOf = (observed: Observed, ended: ProcessResult, { idleSeconds }: IperfListener): ServeResult => {
  const { received, sent } = observed.totals
  const counts = { receivedBytes: received?.bytes, sentBytes: sent?.bytes }
  const serveResult = (outcome: Outcome, reason: string): ServeResult => ({
    outcome,
    reason,
    programFault: undefined,
    cpuShortage: '',
    ...counts,
  })
  const faulty = (fault: string): ServeResult => ({
    outcome: Outcome.OUTCOME_INVALID,
    reason: `iperf3 ${fault}`,
    programFault: programFault('iperf3', fault),
    cpuShortage: '',
  })
  const fault = observed.fault ?? faultOfEnd(ended)
  if (fault !== undefined) return faulty(fault)
  if (observed.tooFast)
    return serveResult(Outcome.OUTCOME_REFUSED, 'ended: the client moved more than max_bits_per_second')
  if (observed.idle)
    return serveResult(Outcome.OUTCOME_TIMED_OUT, `no client connected within ${idleSeconds} s`)
  if (ended.timedOut) return serveResult(Outcome.OUTCOME_TIMED_OUT, ended.reason)
  if (ended.aborted) return serveResult(Outcome.OUTCOME_NOT_RUN, ended.reason)
  const [error] = observed.errors
  if (!observed.listening) {
    const wrote = observed.unknown.map(quote).find((text) => text !== '')
    const reason = wrote && !ended.reason.includes(wrote) ? `${ended.reason}: ${wrote}` : ended.reason
    return serveResult(Outcome.OUTCOME_NOT_RUN, error ? `iperf3: ${quote(error)}` : quote(reason))
  }
  if (error) return serveResult(Outcome.OUTCOME_INVALID, `iperf3: ${quote(error)}`)
  if (ended.reason) return serveResult(Outcome.OUTCOME_INVALID, quote(ended.reason))
  if (!observed.finished) return serveResult(Outcome.OUTCOME_INVALID, 'iperf3 ended without a test')
  if (observed.totals.impossible !== undefined)
    return faulty(`reported impossible figures: ${quote(observed.totals.impossible)}`)
  return serveResult(Outcome.OUTCOME_MEASURED, '')
}

/** Time for iperf3 to listen: it takes milliseconds, and seconds on a host without free processor time. */
const LISTEN_SECONDS = 8
/** How often the state of a server is looked at, and the longest time that it may leave a client waiting. */
const LOOK_SECONDS = 3
/** Longest silence during a test: it prints a line in each interval, also while no bytes arrive. */
const MAX_SILENT_SECONDS = 6

/** Why a server that runs hangs; undefined when it does not. */
const hangOf = (
  { listening, accepted, finished }: Observed,
  pid: number,
  { port, durationSeconds, samples }: IperfListener,
  { sinceStart, sinceLine, sinceAccept }: { sinceStart: number; sinceLine: number; sinceAccept: number },
): Fault => {
  if (!listening)
    return sinceStart > LISTEN_SECONDS ? `hangs: it did not listen within ${LISTEN_SECONDS} s` : undefined
  if (!accepted)
    // The clients of sustained traffic report this. The kernel walks all its sockets for each look (10 ms).
    return samples === undefined && waitingClients(pid, port) > 0
      ? 'hangs: it does not accept the connection of its client'
      : undefined
  const isTesting = !finished && sinceAccept - sinceLine < durationSeconds && sinceAccept < durationSeconds
  return isTesting && sinceLine > MAX_SILENT_SECONDS
    ? `hangs: it has printed no line for ${sinceLine.toFixed(0)} s of the test`
    : undefined
}

/** Ends a server that hangs. A server that waits for a client for long is looked at only at first. */
const watch = async (
  { clock }: EngineDeps,
  running: RunningProcess,
  listener: IperfListener,
  observed: Observed,
  lineAt: () => number,
  ended: AbortSignal,
): Promise<void> => {
  const startedAt = clock.monotonicSeconds()
  const longest = listener.samples ? LISTEN_SECONDS + LOOK_SECONDS : Number.POSITIVE_INFINITY
  let acceptedAt: number | undefined
  let suspicion: Fault
  while (running.pid !== undefined && clock.monotonicSeconds() - startedAt < longest) {
    const isOver = await clock.sleep(LOOK_SECONDS, ended).then(
      () => false,
      () => true,
    )
    if (isOver) return
    const now = clock.monotonicSeconds()
    if (observed.accepted) acceptedAt ??= lineAt()
    const found = hangOf(observed, running.pid, listener, {
      sinceStart: now - startedAt,
      sinceLine: now - lineAt(),
      sinceAccept: now - (acceptedAt ?? now),
    })
    // Looked at twice: a client may have connected just now.
    if (found !== undefined && suspicion !== undefined) {
      observed.fault = found
      await running.end()
      return
    }
    suspicion = found
  }
}

export const startServer = (
  deps: EngineDeps,
  program: string,
  listener: IperfListener,
  ceilings: Ceilings,
  signal: AbortSignal,
): IperfServer => {
  const observed: Observed = {
    listening: false,
    accepted: false,
    finished: false,
    errors: [],
    unknown: [],
    idle: false,
    totals: {},
    fault: undefined,
    tooFast: false,
  }
  const { idleSeconds, durationSeconds } = listener

  return createIperfServer(signal, async (ready) => {
    const ended = new AbortController()
    const running = await deps.processes.start(program, serverArgs(listener, ceilings.bitsPerSecond), {
      signal,
      deadlineSeconds:
        idleSeconds + flushSeconds(listener) + Math.min(durationSeconds, ceilings.seconds) + MARGIN_SECONDS,
      limits: LIMITS,
      isBackground: listener.isBackground === true,
    })
    const { samples } = listener
    const parser = createServerParser(observed.totals)
    const isTooFast = createRateWatch()
    let lineAt = deps.clock.monotonicSeconds()
    void watch(deps, running, listener, observed, () => lineAt, ended.signal)
    for await (const { text } of running.lines) {
      lineAt = deps.clock.monotonicSeconds()
      const sample = parser(text)
      if (sample) samples?.onSample(sample)
      if (isTooFast(text, ceilings.bitsPerSecond)) {
        observed.tooFast = true
        void running.end()
      }
      const wasListening = observed.listening
      read(observed, text)
      if (observed.listening && !wasListening) {
        ready.resolve()
        void endWhenLate(deps.clock, running, idleSeconds + flushSeconds(listener), ended.signal, {
          hasHappened: () => observed.accepted,
          onLate: () => {
            observed.idle = true
          },
        })
      }
    }
    ended.abort()
    const result = await running.done
    if (signal.aborted) ready.reject(signal.reason)
    else if (observed.fault !== undefined) ready.reject(faultError('iperf3', observed.fault))
    else ready.reject(programError('iperf3', result, observed.unknown))
    return resultOf(observed, result, listener)
  })
}
