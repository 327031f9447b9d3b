import { type HealthServiceImplementation, NodeHealth } from '#proto/meshgauge/collector/v1/health.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { pageOf } from '../../lib/paging.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { Health } from '../health/health.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { selectNodes } from '../inventory/selectors.ts'

/** As the protocol says. */
const DEFAULT_MAX_AGE_SECONDS = 3600

const atLeastOne = (nodes: readonly string[]): Violation[] =>
  nodes.length > 0 ? [] : [{ field: 'nodes', description: 'must name at least one node' }]

const bytesOf = (node: NodeHealth): number => NodeHealth.encode(node).finish().length

export const createHealthService = ({
  fleet,
  health,
}: {
  fleet: Pick<Fleet, 'nodes' | 'settled' | 'refresh'>
  health: Health
}): HealthServiceImplementation => ({
  async listNodeHealth(request) {
    await fleet.settled
    const { nodes, violations } = selectNodes(fleet.nodes(), request.nodes, 'nodes')
    throwIfInvalid('the request', violations)
    const { items, nextPageToken } = pageOf('health', health.list(nodes), request, bytesOf)
    return { nodes: items, nextPageToken }
  },

  async checkGate(request, { signal }) {
    // The answer must be based on the current state of the agents, not on their last poll.
    await fleet.refresh()
    const { nodes, violations } = selectNodes(fleet.nodes(), request.nodes, 'nodes')
    violations.push(...atLeastOne(request.nodes))
    const maxAgeSeconds = fromDuration(request.maxAge) ?? DEFAULT_MAX_AGE_SECONDS
    if (!(maxAgeSeconds > 0)) violations.push({ field: 'max_age', description: 'must be more than 0' })
    if (request.checks.includes('all'))
      violations.push({
        field: 'checks',
        description: 'must not contain "all"; leave it empty to require the checks that run on every node',
      })
    violations.push(...(await health.unknownChecks(nodes, request.checks)))
    throwIfInvalid('the request', violations)
    const checks = [...new Set(request.checks)]
    return health.gate(nodes, { maxAgeSeconds, runMissing: request.runMissing, checks }, signal)
  },

  async clearHealth(request) {
    await fleet.settled
    const { nodes, violations } = selectNodes(fleet.nodes(), request.nodes, 'nodes')
    violations.push(...atLeastOne(request.nodes))
    violations.push(...(await health.unknownChecks(nodes, request.checks)))
    throwIfInvalid('the request', violations)
    const checks = request.checks.includes('all') ? [] : request.checks
    return { clearedCount: health.clear(nodes, checks) }
  },
})
