import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { coverageKey } from '../windows.ts'

/**
 * Takes a later time in place of an earlier one; the last parameter is the latest that can be meant. What is later than
 * that was noted while a clock was ahead: it gives way to whatever comes, and is not noted itself.
 */
const latestOf = (table: string, key: string): string =>
  `INSERT INTO ${table} (${key}, milliseconds) SELECT ?1, ?2, ?3 WHERE ?3 <= ?4
   ON CONFLICT DO UPDATE SET milliseconds =
     iif(milliseconds > ?4, excluded.milliseconds, max(milliseconds, excluded.milliseconds))`

export const PUT_COVERAGE = latestOf('coverage', 'test, pair')
export const PUT_LAST_MEASURED = latestOf('last_measured', 'node, test')

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
