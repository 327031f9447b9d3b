import type { EndpointPair } from '#proto/meshgauge/collector/v1/result.ts'
import { type RunServiceImplementation, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { pairResultMessage } from '../dispatch/pair-result-message.ts'
import { addressesOf, endpointsOfPair } from '../dispatch/pass.ts'
import { endpointMessage } from '../inventory/endpoints.ts'
import { withShiftCount } from '../plan/effective-run-spec.ts'
import { rounds } from '../plan/plan.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import { requestedRunSpecOf, runSpecMessage } from '../plan/run-spec-message.ts'
import type { Runs } from '../runs/runs.ts'
import type { Run } from '../store/run.ts'
import { runMessage } from '../store/run-message.ts'
import { createIdempotency, sameMessage } from './request-ids.ts'

/** @throws OperatingError SPEC_INVALID when the spec is absent */
const requireSpec = (spec: RunSpec | undefined): RunSpec => {
  throwIfInvalid('the request', spec ? [] : [{ field: 'spec', description: 'is missing' }])
  return spec!
}

const roundsOf = (planned: PlannedRun): { pairs: EndpointPair[] }[] =>
  [...rounds(planned.plan)].map((round) => ({
    pairs: [...round].map((pair) => {
      const [source, destination] = endpointsOfPair(planned, pair)
      const addresses = addressesOf(planned, pair)
      return {
        source: endpointMessage(source, addresses?.source),
        destination: endpointMessage(destination, addresses?.destination),
      }
    }),
  }))

/** Whether a run was created from this spec. The number of shifts in a run depends on the fleet at that time. */
const isFrom = (spec: RunSpec, run: Run): boolean =>
  sameMessage(
    RunSpec,
    runSpecMessage(withShiftCount(requestedRunSpecOf(spec), run.plan.nodeCount)),
    runSpecMessage(run.spec),
  )

export const createRunService = (runs: Runs): RunServiceImplementation => {
  const idempotent = createIdempotency((requestId) => runs.ofRequest(requestId))
  return {
    async planRun(request) {
      const planned = await runs.plan(requestedRunSpecOf(requireSpec(request.spec)))
      return {
        plan: planned.message,
        rounds: request.includeRounds ? roundsOf(planned) : [],
        spec: runSpecMessage(planned.spec),
      }
    },
    async createRun(request) {
      const spec = requireSpec(request.spec)
      const run = await idempotent(request.requestId, {
        content: RunSpec.encode(spec).finish(),
        isFrom: (existing) => isFrom(spec, existing),
        create: () => runs.create({ ...requestedRunSpecOf(spec), schedule: '' }, request.requestId),
      })
      return { run: runMessage(run) }
    },
    getRun: async (request) => ({ run: runMessage(runs.get(request.runId)) }),
    async listRuns({ pageSize: size, pageToken: token }) {
      const page = runs.list({ size, token })
      return { ...page, runs: page.runs.map(runMessage) }
    },
    async *watchRun(request, { signal }) {
      for await (const update of runs.watch(request.runId, signal))
        yield { run: runMessage(update.run), results: update.results.map(pairResultMessage) }
    },
    cancelRun: async (request) => ({ run: runMessage(runs.cancel(request.runId)) }),
  }
}
