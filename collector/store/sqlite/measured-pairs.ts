import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { coverageKey } from '../windows.ts'

export const PUT_COVERAGE = `INSERT INTO coverage (test, pair, milliseconds) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET milliseconds = max(milliseconds, excluded.milliseconds)`

/** The test, the pair and the end of a result in Unix milliseconds; undefined when it was not measured. */
export const measuredPair = ({
  source,
  destination,
  outcome,
  values,
  endTime,
}: PairResult): [test: string, pair: string, milliseconds: number] | undefined => {
  const ended = fromTimestamp(endTime)
  if (outcome !== Outcome.OUTCOME_MEASURED || !values || !ended || !source || !destination) return undefined
  const pair = coverageKey({
    source: source.node,
    destination: destination.node,
    interface: source.interface,
  })
  return [values.$case, pair, ended.getTime()]
}
