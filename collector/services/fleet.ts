import {
  type FleetServiceImplementation,
  Node,
  type RunChecksResponse,
} from '#proto/meshgauge/collector/v1/fleet.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { pageOf } from '../../lib/paging.ts'
import type { Health } from '../health/health.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { FleetNode } from '../inventory/node.ts'
import { nodeMessage } from '../inventory/node-message.ts'
import { selectNodes } from '../inventory/selectors.ts'
import type { Reload } from '../reload.ts'
import type { createThroughputCheck } from './throughput-check.ts'

const bytesOf = (node: FleetNode): number => Node.encode(nodeMessage(node)).finish().length

export const createFleetService = ({
  fleet,
  health,
  reload,
  throughputCheck,
}: {
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  health: Pick<Health, 'run' | 'record'>
  reload: Reload
  /** The check `iperf`. The collector runs it: a node cannot measure throughput alone. */
  throughputCheck: ReturnType<typeof createThroughputCheck>
}): FleetServiceImplementation => {
  const choose = async (selectors: readonly string[]) => {
    await fleet.settled
    const { nodes, violations } = selectNodes(fleet.nodes(), selectors, 'nodes')
    throwIfInvalid('the request', violations)
    return nodes
  }
  return {
    reloadFleet: reload,

    async listNodes(request) {
      const { items, nextPageToken } = pageOf('nodes', await choose(request.nodes), request, bytesOf)
      return { nodes: items.map(nodeMessage), nextPageToken }
    },

    async *runChecks(request, { signal }): AsyncGenerator<RunChecksResponse> {
      const { nodes, parameters = {} } = request
      const byAgents = request.checks.filter((check) => check !== 'iperf')
      const withThroughput = byAgents.length < request.checks.length
      if (byAgents.length > 0 || !withThroughput) {
        yield* health.run({ nodes, checks: byAgents, parameters }, signal)
      }
      if (!withThroughput) return
      for await (const each of throughputCheck(await choose(nodes), parameters, signal)) {
        await health.record(each, parameters)
        yield each
      }
    },
  }
}
