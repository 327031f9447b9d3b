import type { PairCoverage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { pageSizeOf, readPageToken, writePageToken } from '../../../lib/paging.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import { type CoverageTable, pairOfRow } from './coverage-table.ts'
import { PAIR_ABSENT, type YieldIfDue } from './due-pairs.ts'

/** Rows that are examined between two calls of YieldIfDue, about 1 ms of work. */
const SLICE = 20_000

/** A row of the table and its last time. A page token contains the last one of its page. */
type Position = { last: number; row: number }

const readToken = (token: string): Position | undefined => {
  const position = readPageToken('coverage', token)
  return position && { last: position[0] ?? 0, row: position[1] ?? 0 }
}

const writeToken = ({ last, row }: Position): string => writePageToken('coverage', last, row)

/** Pairs that were never measured first, then the oldest. */
const byAge = (a: Position, b: Position): number => a.last - b.last || a.row - b.row

/**
 * One page of the pairs that were not measured since a moment, in Unix seconds.
 * @throws OperatingError SPEC_INVALID for a token of another list
 */
export const overduePage = async (
  table: CoverageTable,
  since: number,
  page: { size: number; token: string },
  yieldIfDue: YieldIfDue,
): Promise<{ overdue: PairCoverage[]; nextPageToken: string }> => {
  const size = pageSizeOf(page.size)
  const after = readToken(page.token)
  let found: Position[] = []
  /** Positions after this one are not on the page. */
  let worst: Position | undefined
  const trim = () => {
    found = found.sort(byAge).slice(0, size + 1)
    worst = found[size]
  }
  for (let row = 0; row < table.lastTimes.length; row++) {
    if (row > 0 && row % SLICE === 0) await yieldIfDue()
    const position = { last: table.lastTimes[row]!, row }
    const { last } = position
    if (last === PAIR_ABSENT || last >= since || (after && byAge(position, after) <= 0)) continue
    if (worst && byAge(position, worst) > 0) continue
    found.push(position)
    // Sorting once for each page of new positions keeps the cost per position constant.
    if (found.length >= 2 * size + 2) trim()
  }
  trim()
  return {
    overdue: found.slice(0, size).map((position) => pairCoverageOf(table, position)),
    nextPageToken: found.length > size ? writeToken(found[size - 1]!) : '',
  }
}

const pairCoverageOf = (table: CoverageTable, { last, row }: Position): PairCoverage => {
  const pair = pairOfRow(table, row)
  return {
    source: table.nodes[pair.source]!.name,
    destination: table.nodes[pair.destination]!.name,
    interface: table.interfaces[pair.interface]!,
    lastTime: last === 0 ? undefined : toTimestamp(new Date(last * 1000)),
  }
}
