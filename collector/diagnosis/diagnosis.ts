import type { EndpointPair, PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import type { Thresholds } from './thresholds.ts'

export type DiagnosisInput = {
  /** What became of each pair; of a pair that was measured again, the last result. */
  readonly results: readonly PairResult[]
  /** The rack of each node whose rack is known. */
  readonly racks?: ReadonlyMap<string, string>
  readonly thresholds?: Partial<Thresholds>
}

export type Diagnosis = {
  /** Who is to blame, the surest first. */
  readonly verdicts: Verdict[]
  /** Bad pairs that were tried only once: measure them again on new ports before anyone is blamed. */
  readonly suspects: EndpointPair[]
}
