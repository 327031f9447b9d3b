/** Runs one iperf3 server for one test. It runs in the foreground: a daemon would hide that it could not listen. */

import type { ServeResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult } from '../../processes.ts'
import type { EngineDeps, IperfListener, IperfServer } from '../engine.ts'
import { createIperfServer, endWhenLate } from '../iperf-program.ts'
import { programError, quote } from '../program-error.ts'
import { LIMITS, serverArgs, serverInterval } from './args.ts'
import { createServerParser } from './output-server.ts'

/** Time of a test in addition to its duration: to connect, to exchange results and to end. */
const MARGIN_SECONDS = 15

/** iperf3 reports a client when it flushes its output, after an interval; doubled for a busy host. */
const flushSeconds = (listener: IperfListener): number => 2 * serverInterval(listener)

/** Enough lines to identify a program that is not iperf3. */
const MAX_UNKNOWN_LINES = 10

const LISTENING = /^Server listening on \d+/
const CLIENT = /^Accepted connection from /
const END = /\b(?:sender|receiver) *$/
const ERROR = /^iperf3: (?:error - |interrupt - )?(.+)/

type Observed = {
  listening: boolean
  accepted: boolean
  finished: boolean
  errors: string[]
  unknown: string[]
  idle: boolean
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
  const serveResult = (outcome: Outcome, reason: string): ServeResult => ({
    outcome,
    reason,
    programFault: undefined,
  })
  if (observed.idle)
    return serveResult(Outcome.OUTCOME_TIMED_OUT, `no client connected within ${idleSeconds} s`)
  if (ended.timedOut) return serveResult(Outcome.OUTCOME_TIMED_OUT, ended.reason)
  if (ended.aborted) return serveResult(Outcome.OUTCOME_NOT_RUN, ended.reason)
  const [error] = observed.errors
  if (!observed.listening)
    return serveResult(Outcome.OUTCOME_NOT_RUN, error ? `iperf3: ${quote(error)}` : quote(ended.reason))
  if (error) return serveResult(Outcome.OUTCOME_INVALID, `iperf3: ${quote(error)}`)
  if (ended.reason) return serveResult(Outcome.OUTCOME_INVALID, quote(ended.reason))
  if (!observed.finished) return serveResult(Outcome.OUTCOME_INVALID, 'iperf3 ended without a test')
  return serveResult(Outcome.OUTCOME_MEASURED, '')
}

export const startServer = (
  deps: EngineDeps,
  program: string,
  listener: IperfListener,
  signal: AbortSignal,
): IperfServer => {
  const observed: Observed = {
    listening: false,
    accepted: false,
    finished: false,
    errors: [],
    unknown: [],
    idle: false,
  }
  const { idleSeconds, durationSeconds } = listener

  return createIperfServer(signal, async (ready) => {
    const ended = new AbortController()
    const running = await deps.processes.start(program, serverArgs(listener), {
      signal,
      deadlineSeconds: idleSeconds + flushSeconds(listener) + durationSeconds + MARGIN_SECONDS,
      limits: LIMITS,
    })
    const { samples } = listener
    const parse = createServerParser()
    for await (const { text } of running.lines) {
      const sample = samples && parse(text)
      if (sample) samples.onSample(sample)
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
    else ready.reject(programError(program, result, observed.unknown))
    return resultOf(observed, result, listener)
  })
}
