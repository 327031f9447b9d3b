import { IpFamily, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { addressesOfPair, endpointsOf, type FleetEndpoint } from '../../inventory/endpoints.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'

/** Many flows ask within a moment; the fleet itself asks its agents every few seconds only. */
const FRESH_SECONDS = 1

const departed = (end: FleetEndpoint): FleetEndpoint => ({
  ...end,
  problem: { outcome: Outcome.OUTCOME_NOT_RUN, reason: `${end.node} is no longer in the fleet` },
})

/** The ends of flows as the fleet knows them now: an agent that comes back may have other addresses. */
export const createFlowEndpoints = (
  deps: { clock: Pick<Clock, 'monotonicSeconds'>; fleet: Pick<Fleet, 'nodes'> },
  prepared: PreparedTraffic,
) => {
  const names = [...new Set(prepared.endpoints.map((endpoint) => endpoint.interface))]
  const members = new Set(prepared.endpoints.map(({ node }) => node))
  let known: readonly FleetEndpoint[] = prepared.endpoints
  let knownAt = deps.clock.monotonicSeconds()

  const refresh = () => {
    const now = deps.clock.monotonicSeconds()
    if (now - knownAt < FRESH_SECONDS) return
    knownAt = now
    const nodes = deps.fleet.nodes().filter(({ name }) => members.has(name))
    const found = new Map(endpointsOf(nodes, names).map((end) => [`${end.node} ${end.interface}`, end]))
    known = prepared.endpoints.map((end) => found.get(`${end.node} ${end.interface}`) ?? departed(end))
  }
  const source = (flow: number) => known[prepared.sources[flow]!]!
  const destination = (flow: number) => known[prepared.destinations[flow]!]!
  const family = prepared.spec.options?.family ?? IpFamily.IP_FAMILY_UNSPECIFIED
  return {
    source,
    destination,
    /** The addresses of a flow; undefined when its ends have none of one family. */
    addresses: (flow: number) => addressesOfPair(source(flow), destination(flow), family),
    /** Why an end cannot be used now; empty when it can. */
    problem(flow: number, side: 'server' | 'client'): string {
      refresh()
      const end = side === 'server' ? destination(flow) : source(flow)
      if (end.problem) return end.problem.reason
      if (addressesOfPair(source(flow), destination(flow), family)) return ''
      const ends = `${source(flow).node} and ${destination(flow).node}`
      return `${ends} have no addresses of one family on ${end.interface}`
    },
  }
}

export type FlowEndpoints = ReturnType<typeof createFlowEndpoints>
