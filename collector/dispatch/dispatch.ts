import { type PlanInput, roundOf } from '../plan/plan.ts'
import { createPlan } from '../plan/planner.ts'
import { dispatchIperfs } from './dispatch-iperfs.ts'
import { dispatchPings } from './dispatch-pings.ts'
import { type DispatchJob, openSpan, type Pass, problemOf, report } from './pass.ts'

/** Measures every pair of a run. Each pair gets exactly one result. Rejects only for bugs. */
export const dispatch = (job: DispatchJob): Promise<void> => {
  const { plan } = job.run
  const rounds = new Int32Array(plan.pairCount)
  const roundSizes: number[] = []
  for (let round = 0; round < plan.roundCount; round++) {
    const pairs = roundOf(plan, round)
    roundSizes.push(pairs.length)
    for (const pair of pairs) rounds[pair] = round + 1
  }
  return runPass({ ...job, rounds, roundSizes, isRetest: false })
}

/** With one flow at a time, an uplink shows what it carries, and not how many flows share it. */
const MAX_ROUNDS_OF_UPLINK = 16

/** Returns how many flows an uplink carries in a retest: one, or as many as the retest needs to end in time. */
const retestFlowsOfUplink = ({ fleet }: PlanInput, sources: Int32Array, destinations: Int32Array): number => {
  const counts = new Map<string, number>()
  for (const [pair, source] of sources.entries()) {
    const [from, to] = [source, destinations[pair]!].map(
      (endpoint) => fleet.nodeRack[fleet.endpointNode[endpoint]!]!,
    )
    if (from === to || from! < 0 || to! < 0) continue
    for (const key of [`out ${from}`, `in ${to}`]) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return Math.max(1, Math.ceil(Math.max(0, ...counts.values()) / MAX_ROUNDS_OF_UPLINK))
}

/** Measures some pairs of a run again, with a separate plan. `rounds` are those of their first results. */
export const redispatch = (
  job: DispatchJob,
  pairs: readonly number[],
  rounds: readonly number[],
): Promise<void> => {
  const { run } = job
  const sources = Int32Array.from(pairs, (pair) => run.sources[pair]!)
  const destinations = Int32Array.from(pairs, (pair) => run.destinations[pair]!)
  // A node that sends badly delays the acknowledgements of what it receives. Alone, each direction shows its own state.
  const exclusiveNodes = run.planInput.caps.exclusiveNodes || run.spec.test.kind === 'iperf'
  const isIperf = run.spec.test.kind === 'iperf'
  const perUplink = isIperf ? retestFlowsOfUplink(run.planInput, sources, destinations) : Infinity
  const caps = {
    ...run.planInput.caps,
    exclusiveNodes,
    perUplink: Math.min(run.planInput.caps.perUplink, perUplink),
  }
  const planInput: PlanInput = { ...run.planInput, caps, pairs: { sources, destinations } }
  const retest = { ...run, sources, destinations, planInput, plan: createPlan(planInput) }
  return runPass({
    ...job,
    run: retest,
    rounds: Int32Array.from(rounds),
    roundSizes: [],
    isRetest: true,
  })
}

const runPass = async (pass: Pass): Promise<void> => {
  const unmeasurable = new Set<number>()
  for (let pair = 0; pair < pass.run.sources.length; pair++) {
    const problem = problemOf(pass.run, pair)
    if (!problem) continue
    unmeasurable.add(pair)
    report(pass, pair, openSpan(pass, pair), { ...problem, attemptCount: 0 })
  }
  const { test } = pass.run.spec
  if (test.kind === 'ping') await dispatchPings(pass, test, unmeasurable)
  else await dispatchIperfs(pass, test, unmeasurable)
}
