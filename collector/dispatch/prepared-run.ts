import type { Plan as PlanMessage, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import type { Plan, PlanInput } from '../plan/plan.ts'
import type { RunEndpoint } from './endpoints.ts'

/**
 * A planned run. A pair is an index into `sources` and `destinations`; these hold indexes into `endpoints`.
 */
export type PreparedRun = {
  spec: RunSpec
  endpoints: readonly RunEndpoint[]
  sources: Int32Array
  destinations: Int32Array
  plan: Plan
  planInput: PlanInput
  message: PlanMessage
}
