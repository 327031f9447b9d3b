import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { addressesOfPair, endpointsOf, type FleetEndpoint } from '../../inventory/endpoints.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import type { FlowSide } from './flow-reports.ts'

/** The endpoints of the fleet are read at most this often, as the problems of many flows are checked together. */
const FRESH_SECONDS = 1

const departed = (endpoint: FleetEndpoint): FleetEndpoint => ({
  ...endpoint,
  problem: { outcome: Outcome.OUTCOME_NOT_RUN, reason: `${endpoint.node} is no longer in the fleet` },
})

/** The endpoints of flows in the current fleet. An agent that has restarted may have other addresses. */
export const createFlowEndpoints = (
  deps: { clock: Pick<Clock, 'monotonicSeconds'>; fleet: Pick<Fleet, 'nodes'> },
  prepared: PreparedTraffic,
) => {
  const names = [...new Set(prepared.endpoints.map((endpoint) => endpoint.interface))]
  const members = new Set(prepared.endpoints.map(({ node }) => node))
  let current: readonly FleetEndpoint[] = prepared.endpoints
  let refreshedSeconds = deps.clock.monotonicSeconds()

  const refresh = () => {
    const now = deps.clock.monotonicSeconds()
    if (now - refreshedSeconds < FRESH_SECONDS) return
    refreshedSeconds = now
    const nodes = deps.fleet.nodes().filter(({ name }) => members.has(name))
    const found = new Map(endpointsOf(nodes, names).map((endpoint) => [interfaceKey(endpoint), endpoint]))
    current = prepared.endpoints.map((endpoint) => found.get(interfaceKey(endpoint)) ?? departed(endpoint))
  }
  const source = (flow: number) => current[prepared.sources[flow]!]!
  const destination = (flow: number) => current[prepared.destinations[flow]!]!
  const family = prepared.spec.options.family
  return {
    source,
    destination,
    /** The addresses of a flow; undefined when its endpoints have no addresses of one family. */
    addresses: (flow: number) => addressesOfPair(source(flow), destination(flow), family),
    /** Why one side of a flow cannot be used now; empty when it can. */
    problem(flow: number, side: FlowSide): string {
      refresh()
      const endpoint = side === 'server' ? destination(flow) : source(flow)
      if (endpoint.problem) return endpoint.problem.reason
      if (addressesOfPair(source(flow), destination(flow), family)) return ''
      const nodes = `${source(flow).node} and ${destination(flow).node}`
      return `${nodes} have no addresses of one family on ${endpoint.interface}`
    },
  }
}

export type FlowEndpoints = ReturnType<typeof createFlowEndpoints>
