import type { Plan, Progress, Run as RunMessage } from '#proto/meshgauge/collector/v1/run.ts'
import type { Judgement } from '../diagnosis/judgement.ts'
import type { Summary } from '../diagnosis/summary.ts'
import type { Verdict } from '../diagnosis/verdict.ts'
import type { NodeMetadata } from '../inventory/node.ts'
import type { RunSpec } from '../plan/run-spec.ts'

/** One execution of a plan, as the collector stores it. */
export type Run = Omit<
  RunMessage,
  'spec' | 'plan' | 'progress' | 'nodeMetadata' | 'summary' | 'verdicts' | 'judgement'
> & {
  spec: RunSpec
  plan: Plan
  progress: Progress
  /** Undefined until the run has ended. */
  summary: Summary | undefined
  /** The answer. Undefined until the run has ended, and in runs that a crash of the collector interrupted. */
  judgement: Judgement | undefined
  /** What is wrong, the most confident first. Empty until the run has ended. */
  verdicts: readonly Verdict[]
  /** By node name. */
  nodeMetadata: Readonly<Record<string, NodeMetadata>>
}
