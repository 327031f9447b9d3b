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
  const caps = { ...run.planInput.caps, exclusiveNodes }
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
