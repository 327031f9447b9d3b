import { Admission, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { testSeconds } from '../plan/estimate.ts'
import type { IperfTest } from '../plan/run-spec.ts'
import { measureIperf } from './measure-iperf.ts'
import { PairOrder } from './pair-order.ts'
import { addressesOf, endpointsOfPair, openSpan, type Pass, report } from './pass.ts'
import { within } from './run-trace.ts'

/** The longest time that a slow pair delays the next pairs of its nodes; a quarter of a test if that is longer. */
const MIN_PATIENCE_SECONDS = 0.5

/** Measures each pair as soon as its resources are free. Pairs that a cancelled run did not start are reported as NOT_RUN. */
export const dispatchIperfs = async (
  pass: Pass,
  test: IperfTest,
  skip: ReadonlySet<number>,
): Promise<void> => {
  const { run, deps, signal, rounds } = pass
  const patienceSeconds = Math.max(MIN_PATIENCE_SECONDS, testSeconds(test) / 4)
  const order = new PairOrder(run.planInput, run.plan, { patienceSeconds, skip })
  const running = new Map<number, Promise<void>>()
  let latestRound = 0
  const start = (pair: number) => {
    if (!pass.isRetest && rounds[pair]! > latestRound) {
      latestRound = rounds[pair]!
      pass.events.onRound(latestRound)
    }
    pass.events.onStart(order.lagSeconds(pair, deps.clock.monotonicSeconds()))
    const done = dispatchPair(pass, test, pair).finally(() => {
      pass.events.onEnd()
      running.delete(pair)
      order.finish(pair, deps.clock.monotonicSeconds())
    })
    running.set(pair, done)
  }
  while (!signal.aborted && (order.waitingCount > 0 || running.size > 0)) {
    for (const pair of order.take(deps.clock.monotonicSeconds())) start(pair)
    // A waiting pair may become startable when a pair ends, or when the patience of its nodes is over.
    if (order.waitingCount === 0) await Promise.race(running.values())
    else await firstOf(pass, running.values(), patienceSeconds / 2)
  }
  await Promise.all(running.values())
  for (const pair of order.remaining()) {
    const cancelled = { outcome: Outcome.OUTCOME_NOT_RUN, reason: 'cancelled', attemptCount: 0 }
    report(pass, pair, openSpan(pass, pair), cancelled)
  }
}

/** Waits until one of the promises settles, the time is over, or the run is cancelled. */
const firstOf = async (
  { deps, signal }: Pass,
  promises: Iterable<Promise<void>>,
  seconds: number,
): Promise<void> => {
  const timer = new AbortController()
  const pause = deps.clock.sleep(seconds, AbortSignal.any([signal, timer.signal])).catch(() => undefined)
  await Promise.race([...promises, pause])
  timer.abort()
}

const dispatchPair = async (pass: Pass, test: IperfTest, pair: number): Promise<void> => {
  const { run, deps, signal } = pass
  const [source, destination] = endpointsOfPair(run, pair)
  const addresses = addressesOf(run, pair)!
  const endpoints = {
    source: { node: source.node, interface: source.interface, address: addresses.source },
    destination: { node: destination.node, interface: destination.interface, address: addresses.destination },
  }
  const span = openSpan(pass, pair)
  const startTime = toTimestamp(deps.clock.now())
  const { result, ...measured } = await within(span.context, () =>
    measureIperf(deps, endpoints, test, testSeconds(test), signal, {
      admission: run.spec.allowTraffic ? Admission.ADMISSION_SHARED : Admission.ADMISSION_EXCLUSIVE,
      hostSampling: run.spec.hostSampling,
    }),
  )
  const endTime = toTimestamp(deps.clock.now())
  const values = result && ({ kind: 'iperf', ...result } as const)
  report(pass, pair, span, { ...measured, values, startTime, endTime })
}
