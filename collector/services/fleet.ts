import type { FleetServiceImplementation, RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import type { Health } from '../health/health.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { selectNodes } from '../inventory/selectors.ts'

export const createFleetService = ({
  fleet,
  health,
}: {
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  health: Pick<Health, 'run'>
}): FleetServiceImplementation => ({
  async listNodes(request) {
    await fleet.settled
    const { nodes, violations } = selectNodes(fleet.nodes(), request.nodes, 'nodes')
    throwIfInvalid('the request', violations)
    return { nodes }
  },

  async *runChecks(request, { signal }): AsyncGenerator<RunChecksResponse> {
    const { nodes, checks, parameters = {} } = request
    yield* health.run({ nodes, checks, parameters }, signal)
  },
})
