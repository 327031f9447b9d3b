import type { EndpointPair } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, type RunServiceImplementation, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { endpointMessage } from '../inventory/endpoints.ts'
import { rounds } from '../plan/plan.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import { effectiveRunSpec, withShiftCount } from '../runs/effective-run-spec.ts'
import type { Runs } from '../runs/runs.ts'
import { createIdempotency, sameMessage } from './request-ids.ts'

/** @throws OperatingError SPEC_INVALID when the spec is absent */
const requireSpec = (spec: RunSpec | undefined): RunSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'is missing' }])
  return spec!
}

const roundsOf = (planned: PlannedRun): { pairs: EndpointPair[] }[] =>
  [...rounds(planned.plan)].map((round) => ({
    pairs: [...round].map((pair) => ({
      source: endpointMessage(planned.endpoints[planned.sources[pair]!]!),
      destination: endpointMessage(planned.endpoints[planned.destinations[pair]!]!),
    })),
  }))

/** Whether a run was created from this spec. The number of shifts in a run depends on the fleet at that time. */
const isFrom = (spec: RunSpec, run: Run): boolean =>
  run.spec !== undefined &&
  sameMessage(RunSpec, withShiftCount(effectiveRunSpec(spec), run.plan?.nodeCount ?? 0), run.spec)

export const createRunService = (runs: Runs): RunServiceImplementation => {
  const idempotent = createIdempotency((requestId) => runs.ofRequest(requestId))
  return {
    async planRun(request) {
      const planned = await runs.plan(requireSpec(request.spec))
      return {
        plan: planned.message,
        rounds: request.includeRounds ? roundsOf(planned) : [],
        spec: planned.spec,
      }
    },
    async createRun(request) {
      const spec = requireSpec(request.spec)
      const run = await idempotent(request.requestId, {
        content: RunSpec.encode(spec).finish(),
        isFrom: (existing) => isFrom(spec, existing),
        create: () => runs.create(spec, request.requestId),
      })
      return { run }
    },
    getRun: async (request) => ({ run: runs.get(request.runId) }),
    listRuns: async (request) => runs.list({ size: request.pageSize, token: request.pageToken }),
    watchRun: (request, { signal }) => runs.watch(request.runId, signal),
    cancelRun: async (request) => ({ run: runs.cancel(request.runId) }),
  }
}
