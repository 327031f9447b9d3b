import type { Plan, Progress, Run as RunMessage } from '#proto/meshgauge/collector/v1/run.ts'
import type { RunSpec } from '../plan/run-spec.ts'

/** One execution of a plan, as the collector stores it. */
export type Run = Omit<RunMessage, 'spec' | 'plan' | 'progress'> & {
  spec: RunSpec
  plan: Plan
  progress: Progress
}
