import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { isMeasured } from '../../dispatch/outcomes.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { pathKey } from '../../inventory/keys.ts'

/**
 * SQL that replaces an earlier time by a later one. The last parameter is the latest plausible time: a later new value is
 * ignored, and a later stored value, from a wrong clock, is replaced by any new one.
 */
const putLatestTime = (table: string, key: string): string =>
  `INSERT INTO ${table} (${key}, milliseconds) SELECT ?1, ?2, ?3 WHERE ?3 <= ?4
   ON CONFLICT DO UPDATE SET milliseconds =
     iif(milliseconds > ?4, excluded.milliseconds, max(milliseconds, excluded.milliseconds))`

export const PUT_COVERAGE = putLatestTime('coverage', 'test, pair')
export const PUT_LAST_MEASURED = putLatestTime('last_measured', 'node, test')

/** Returns the test, the pair and the end time of a result in Unix milliseconds; undefined when it was not measured. */
export const measuredPair = (
  result: PairResult,
): [test: string, pair: string, milliseconds: number] | undefined => {
  const { source, destination, values } = result
  const ended = fromTimestamp(result.endTime)
  if (!isMeasured(result) || !values || !ended) return undefined
  const pair = pathKey({ source: source.node, destination: destination.node, interface: source.interface })
  return [values.kind, pair, ended.getTime()]
}
