/** Runs one iperf3 client from its start to its result. */

import { type Flow, type IperfOptions, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { Ceilings, EngineDeps, IperfEvent } from '../engine.ts'
import { endWhenLate } from '../iperf-program.ts'
import { connectionTo, isStopped } from '../program-state.ts'
import { CONNECT_SECONDS, clientArgs, deadlineSeconds, LIMITS, type Mode, planIperf } from './args.ts'
import { createParser } from './output.ts'
import type { IperfOutput, Sample } from './output-events.ts'
import { MAX_UNKNOWN_LINES, type Observed, resultOf, testOutcomeOf } from './result.ts'

/** Time to connect in addition to iperf3's own timeout, because UDP streams are opened one after the other. */
const CONNECT_MARGIN_SECONDS = 5

const sampleMessage = (sample: Sample): IperfSample =>
  IperfSample.fromPartial({
    flowIndex: 0,
    start: toDuration(sample.startSeconds),
    end: toDuration(sample.endSeconds),
    bitsPerSecond: sample.bitsPerSecond,
    bytes: sample.bytes,
    retransmitCount: sample.retransmits,
    omitted: sample.omitted,
    reverse: sample.reverse,
  })

type MutableObserved = Observed & { errors: string[]; unknown: string[] }

/** Records one event of the output. */
const record = (observed: MutableObserved, output: IperfOutput): void => {
  if (output.kind === 'began') observed.began = true
  if (output.kind === 'error') observed.errors.push(output.text)
  if (output.kind === 'unknown') observed.unknown.push(output.text)
  if (output.kind === 'summary') observed.figures = output.figures
  if (output.kind === 'sample') {
    observed.began = true
    if (output.sample.bytes > 0) observed.lastMovedSeconds = output.sample.endSeconds
  }
}

export async function* runClient(
  deps: EngineDeps,
  { program, mode, ceilings }: { program: string; mode: Mode; ceilings: Ceilings },
  flow: Flow,
  options: IperfOptions | undefined,
  signal: AbortSignal,
  background?: { connectSeconds: number },
): AsyncGenerator<IperfEvent, void> {
  const plan = planIperf(options)
  const connectSeconds = background?.connectSeconds ?? CONNECT_SECONDS
  const running = await deps.processes.start(program, clientArgs(flow, options, mode, connectSeconds), {
    signal,
    deadlineSeconds: deadlineSeconds(plan, options?.bitsPerSecond, connectSeconds, ceilings.seconds),
    limits: LIMITS,
    isBackground: background !== undefined,
  })
  const observed: MutableObserved = {
    began: false,
    errors: [],
    figures: undefined,
    lastMovedSeconds: 0,
    unknown: [],
    silence: undefined,
    lastLineSeconds: 0,
  }
  const startSeconds = deps.clock.monotonicSeconds()
  const ended = new AbortController()
  // iperf3 may wait for minutes for a connection. Older versions flush their first output after an interval.
  const firstOutputSeconds = connectSeconds + CONNECT_MARGIN_SECONDS + plan.intervalSeconds
  void endWhenLate(deps.clock, running, firstOutputSeconds, ended.signal, {
    hasHappened: () => observed.began,
    onLate: (pid) => {
      observed.silence = isStopped(pid) ? 'stopped' : connectionTo(pid, flow.port)
    },
  })
  try {
    const parser = createParser(mode, plan)
    for await (const line of running.lines) {
      observed.lastLineSeconds = deps.clock.monotonicSeconds() - startSeconds
      for (const output of parser.push(line.text)) {
        record(observed, output)
        if (output.kind === 'sample') yield { kind: 'sample', sample: sampleMessage(output.sample) }
      }
      if (observed.unknown.length > MAX_UNKNOWN_LINES) break
    }
  } finally {
    ended.abort()
    await running.end()
  }
  signal.throwIfAborted()
  const testOutcome = testOutcomeOf(observed, await running.done, plan, mode)
  yield { kind: 'result', result: resultOf(testOutcome, plan), retryable: testOutcome.retryable }
}
