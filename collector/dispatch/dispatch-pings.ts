import { toTimestamp } from '../../lib/protobuf-time.ts'
import { testSeconds } from '../plan/estimate.ts'
import type { PingTest } from '../plan/run-spec.ts'
import { measurePings } from './measure-pings.ts'
import { addressesOf, openSpan, type Pass, report } from './pass.ts'
import { within } from './run-trace.ts'

/** Measures all pairs at once, with one stream for each interface that sends. The agents spread their probes. */
export const dispatchPings = async (pass: Pass, test: PingTest, skip: ReadonlySet<number>): Promise<void> => {
  const pairs = [...pass.run.plan.order].filter((pair) => !skip.has(pair))
  const groups = Map.groupBy(pairs, (pair) => pass.run.sources[pair]!)
  if (!pass.isRetest) pass.events.onRound(1)
  await Promise.all([...groups.values()].map((group) => dispatchGroup(pass, test, group)))
}

const dispatchGroup = async (pass: Pass, test: PingTest, pairs: readonly number[]): Promise<void> => {
  const { run, deps, signal } = pass
  const { node, interface: name } = run.endpoints[run.sources[pairs[0]!]!]!
  const spans = pairs.map((pair) => openSpan(pass, pair))
  const targets = pairs.map((pair) => ({ address: addressesOf(run, pair)!.destination }))
  const group = { node, interface: name, targets }
  const startTime = toTimestamp(deps.clock.now())
  // One stream serves all pairs of the group. Its spans are children of the first pair's span.
  const results = await within(spans[0]!.context, () =>
    measurePings(deps.connection(node), group, test, testSeconds(test), signal),
  )
  const endTime = toTimestamp(deps.clock.now())
  for (const [index, { statistics, ...measured }] of results.entries()) {
    const values = statistics && ({ kind: 'ping', ...statistics } as const)
    report(pass, pairs[index]!, spans[index]!, { ...measured, values, attemptCount: 1, startTime, endTime })
  }
}
