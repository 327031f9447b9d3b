import type { Plan, Progress, Run as RunMessage } from '#proto/meshgauge/collector/v1/run.ts'
import type { NodeMetadata } from '../inventory/node.ts'
import type { RunSpec } from '../plan/run-spec.ts'

/** One execution of a plan, as the collector stores it. */
export type Run = Omit<RunMessage, 'spec' | 'plan' | 'progress' | 'nodeMetadata'> & {
  spec: RunSpec
  plan: Plan
  progress: Progress
  /** By node name. */
  nodeMetadata: Readonly<Record<string, NodeMetadata>>
}
