/** Runs one netperf client to its result: the warm-up if there is one, then the measured part. */

import { connect } from 'node:net'
import { type Flow, type IperfOptions, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { ProcessResult } from '../../processes.ts'
import type { Ceilings, EngineDeps, IperfEvent } from '../engine.ts'
import { endWhenLate } from '../iperf-program.ts'
import { connectionTo, isStopped } from '../program-state.ts'
import {
  CONNECT_SECONDS,
  clientArgs,
  deadlineSeconds,
  type NetperfPlan,
  planNetperf,
  warmUpArgs,
} from './args.ts'
import { createParser, type Interim } from './output.ts'
import { couldNotConnect, MAX_MESSAGES, type Observed, resultOf, testOutcomeOf } from './result.ts'

/** Time to connect in addition to the connection timeout: netperf writes nothing before the first interim result. */
const CONNECT_MARGIN_SECONDS = 5

type MutableObserved = Observed & { values: Map<string, string>; messages: string[] }

/** The unit of streams. Interim results of transactions have another unit and are not reported as samples. */
const MEGABITS = '10^6bits/s'

const sampleOf = ({ value, units, seconds }: Interim, startSeconds: number): IperfSample[] => {
  if (units !== MEGABITS) return []
  const bitsPerSecond = Math.round(value * 1e6)
  return [
    IperfSample.fromPartial({
      flowIndex: 0,
      start: toDuration(startSeconds),
      end: toDuration(startSeconds + seconds),
      bitsPerSecond,
      bytes: Math.round((bitsPerSecond * seconds) / 8),
    }),
  ]
}

/** Opens the connection that netperf could not open; returns the kernel's error code, or '' when it opens. */
const tryConnection = (
  { clock }: EngineDeps,
  { address, port, sourceAddress }: Flow,
  signal: AbortSignal,
): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect({ host: address, port, ...(sourceAddress && { localAddress: sourceAddress }) })
  const ended = new AbortController()
  socket.once('connect', () => resolve(''))
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  clock.sleep(CONNECT_SECONDS, AbortSignal.any([signal, ended.signal])).then(
    () => resolve('ETIMEDOUT'),
    () => resolve(''),
  )
  return promise.finally(() => {
    ended.abort()
    socket.destroy()
  })
}

type Part = { args: readonly string[]; deadlineSeconds: number; plan: NetperfPlan; port: number }
type Ended = { observed: MutableObserved; process: ProcessResult }

/** Runs one netperf; yields its samples and returns its output. */
async function* runPart(
  deps: EngineDeps,
  program: string,
  { args, deadlineSeconds: seconds, plan, port }: Part,
  signal: AbortSignal,
): AsyncGenerator<IperfSample, Ended> {
  const running = await deps.processes.start(program, args, { signal, deadlineSeconds: seconds })
  const observed: MutableObserved = {
    began: false,
    values: new Map(),
    messages: [],
    silence: undefined,
    connectError: '',
  }
  const ended = new AbortController()
  // netperf would wait for minutes for an answer.
  const connectSeconds = CONNECT_SECONDS + CONNECT_MARGIN_SECONDS + plan.intervalSeconds
  void endWhenLate(deps.clock, running, connectSeconds, ended.signal, {
    hasHappened: () => observed.began,
    onLate: (pid) => {
      observed.silence = isStopped(pid) ? 'stopped' : connectionTo(pid, port)
    },
  })
  try {
    const parser = createParser()
    let startSeconds = 0
    for await (const line of running.lines) {
      for (const output of parser.push(line.text)) {
        if (output.kind === 'value') observed.values.set(output.name, output.value)
        if (output.kind === 'message') observed.messages.push(output.text)
        if (output.kind !== 'interim') continue
        observed.began = true
        yield* sampleOf(output.interim, startSeconds)
        startSeconds += output.interim.seconds
      }
      if (observed.messages.length > MAX_MESSAGES) break
    }
  } finally {
    ended.abort()
    await running.end()
  }
  signal.throwIfAborted()
  return { observed, process: await running.done }
}

export async function* runClient(
  deps: EngineDeps,
  { program, ceilings }: { program: string; ceilings: Ceilings },
  flow: Flow,
  options: IperfOptions | undefined,
  signal: AbortSignal,
): AsyncGenerator<IperfEvent, void> {
  const plan = planNetperf(options)
  const judge = async ({ observed, process }: Ended): Promise<IperfEvent & { kind: 'result' }> => {
    if (couldNotConnect(observed.messages)) observed.connectError = await tryConnection(deps, flow, signal)
    signal.throwIfAborted()
    const testOutcome = testOutcomeOf(observed, process, plan)
    return { kind: 'result', result: resultOf(testOutcome, observed, plan), retryable: testOutcome.retryable }
  }

  if (plan.omitSeconds > 0) {
    const seconds = deadlineSeconds({ ...plan, bytes: undefined, durationSeconds: plan.omitSeconds })
    const part = { args: warmUpArgs(flow, options), deadlineSeconds: seconds, plan, port: flow.port }
    const warmUp = runPart(deps, program, part, signal)
    let step = await warmUp.next()
    while (!step.done) step = await warmUp.next()
    const event = await judge(step.value)
    // After a failed warm-up, the measured part would fail too, and would take its time.
    if (testOutcomeOf(step.value.observed, step.value.process, plan).measured === false) {
      yield event
      return
    }
  }
  const part = {
    args: clientArgs(flow, options),
    deadlineSeconds: deadlineSeconds(plan, ceilings.seconds),
    plan,
    port: flow.port,
  }
  const measured = runPart(deps, program, part, signal)
  try {
    let step = await measured.next()
    for (; !step.done; step = await measured.next()) yield { kind: 'sample', sample: step.value }
    yield await judge(step.value)
  } finally {
    // A caller that ends early also ends the program.
    await measured.return({} as Ended)
  }
}
