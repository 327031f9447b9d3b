import type { EndpointPair } from '#proto/meshgauge/collector/v1/result.ts'
import type { RunServiceImplementation, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { endpointMessage } from '../inventory/endpoints.ts'
import { rounds } from '../plan/plan.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import type { Runs } from '../runs/runs.ts'

const needed = (spec: RunSpec | undefined): RunSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'what to run is needed' }])
  return spec!
}

const roundsOf = (prepared: PlannedRun): { pairs: EndpointPair[] }[] =>
  [...rounds(prepared.plan)].map((round) => ({
    pairs: [...round].map((pair) => ({
      source: endpointMessage(prepared.endpoints[prepared.sources[pair]!]!),
      destination: endpointMessage(prepared.endpoints[prepared.destinations[pair]!]!),
    })),
  }))

export const createRunService = (runs: Runs): RunServiceImplementation => ({
  async planRun(request) {
    const prepared = await runs.plan(needed(request.spec))
    return { plan: prepared.message, rounds: request.includeRounds ? roundsOf(prepared) : [] }
  },
  createRun: async (request) => ({ run: await runs.create(needed(request.spec)) }),
  getRun: async (request) => ({ run: runs.get(request.id) }),
  listRuns: async (request) => runs.list({ size: request.pageSize, token: request.pageToken }),
  watchRun: (request, { signal }) => runs.watch(request.id, signal),
  cancelRun: async (request) => ({ run: runs.cancel(request.id) }),
})
