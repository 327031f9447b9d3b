import type { Plan, PlanInput } from './plan.ts'

/** Most violations that are returned. A plan with one is not certified, so more are not needed. */
const MAX_VIOLATIONS = 20

/**
 * Checks a plan independently of the planner, with which it shares no code. Each pair must be in exactly one round, and
 * no round may exceed a cap: an interface has 1 test per direction, a node `perNode` per direction (1 in total when
 * exclusive), an uplink `perUplink` flows per direction, and a round `total` tests.
 * @returns the violations; a plan without any is certified
 */
export const checkPlan = (
  { fleet, pairs, caps }: PlanInput,
  plan: Pick<Plan, 'order' | 'offsets' | 'roundCount'>,
): string[] => {
  const violations: string[] = []
  const report = (text: string) => {
    if (violations.length < MAX_VIOLATIONS) violations.push(text)
  }
  const pairCount = pairs.sources.length
  const timesPlanned = new Uint32Array(pairCount)
  const name = (node: number) => fleet.nodes[node]!

  if (plan.offsets.length !== plan.roundCount + 1)
    report(`${plan.roundCount} rounds have ${plan.offsets.length} offsets`)
  if (plan.offsets[0] !== 0 || plan.offsets[plan.roundCount] !== plan.order.length) {
    report('the rounds do not cover the order from its beginning to its end')
  }

  for (let round = 0; round < plan.roundCount; round++) {
    const counts = new Map<string, number>()
    const count = (kind: string, index: number, cap: number, describe: () => string) => {
      const key = `${kind}${index}`
      const used = (counts.get(key) ?? 0) + 1
      counts.set(key, used)
      if (used === cap + 1) report(`round ${round + 1}: ${describe()} more than ${cap}`)
    }
    for (let place = plan.offsets[round]!; place < plan.offsets[round + 1]!; place++) {
      const pair = plan.order[place]!
      if (!(pair >= 0 && pair < pairCount)) {
        report(`round ${round + 1}: there is no pair ${pair}`)
        continue
      }
      timesPlanned[pair]!++
      const source = pairs.sources[pair]!
      const destination = pairs.destinations[pair]!
      const from = fleet.endpointNode[source]!
      const to = fleet.endpointNode[destination]!
      const rackFrom = fleet.nodeRack[from]!
      const rackTo = fleet.nodeRack[to]!
      count('tx', source, 1, () => `${fleet.endpointInterface[source]} of ${name(from)} sends`)
      count('rx', destination, 1, () => `${fleet.endpointInterface[destination]} of ${name(to)} receives`)
      if (caps.exclusiveNodes) {
        count('node', from, 1, () => `${name(from)} takes part in`)
        count('node', to, 1, () => `${name(to)} takes part in`)
      } else {
        count('nodeTx', from, caps.perNode, () => `${name(from)} sends`)
        count('nodeRx', to, caps.perNode, () => `${name(to)} receives`)
      }
      if (rackFrom !== rackTo) {
        if (rackFrom >= 0) count('out', rackFrom, caps.perUplink, () => `rack ${fleet.racks[rackFrom]} sends`)
        if (rackTo >= 0) count('in', rackTo, caps.perUplink, () => `rack ${fleet.racks[rackTo]} receives`)
      }
      count('total', 0, caps.total, () => 'the round holds')
    }
  }
  for (let pair = 0; pair < pairCount; pair++) {
    if (timesPlanned[pair] !== 1) report(`pair ${pair} is planned ${timesPlanned[pair]} times`)
  }
  return violations
}
