import type { PairResult } from '../../dispatch/pair-result.ts'
import { type CoverageStore, MAX_CLOCK_AHEAD_MS } from '../coverage.ts'
import type { Retention } from '../limits.ts'
import type { Connection } from './connection.ts'
import { measuredPair, PUT_COVERAGE } from './measured-times.ts'

/** Rows per page: a few milliseconds of reading. No statement stays open between two pages. */
const ROWS_PER_PAGE = 2_000

/** Maximum number of rows that one slice of the expiry examines. */
const ROWS_PER_SLICE = 300
/** Interval between two sweeps over all rows. Rows may stay a few hours longer than their retention. */
const SWEEP_MS = 6 * 3_600_000

export type Coverage = CoverageStore & {
  /** Adds the measured pairs of these results. Must be called within a transaction. */
  addResults(results: readonly PairResult[]): void
}

/** @param latest returns the latest plausible time of a measurement, in Unix milliseconds */
export const createCoverage = (
  { database, guarded, writeLazily }: Connection,
  latest: () => number,
): Coverage => {
  const put = database.prepare(PUT_COVERAGE)
  const pageOf = database.prepare(
    'SELECT pair, milliseconds FROM coverage WHERE test = ? AND pair > ? ORDER BY pair LIMIT ?',
  )
  return {
    addResults: (results) => {
      for (const result of results) {
        const values = measuredPair(result)
        if (values) put.run(...values, latest())
      }
    },
    *coverage(test) {
      for (let last = ''; ; ) {
        const rows = guarded(() => pageOf.all(test, last, ROWS_PER_PAGE))
        for (const { pair, milliseconds } of rows) yield [String(pair), Number(milliseconds)] as const
        if (rows.length < ROWS_PER_PAGE) return
        last = String(rows.at(-1)!.pair)
      }
    },
    // Lazily: after a power loss the pairs are measured again.
    putCoverage: (test, measured) => {
      const latestMs = latest()
      writeLazily(() => {
        for (const [pair, milliseconds] of measured) put.run(test, pair, Math.round(milliseconds), latestMs)
      })
    },
  }
}

/**
 * Removes the measurement times of nodes that left the fleet, and of their pairs, once they are older than the retention
 * of the measurements. A node that returns earlier keeps its times. Times in the future, from a wrong clock, are removed
 * too.
 * @param members returns the nodes of the fleet; undefined before they are known
 * @returns a function that examines one slice and returns whether more rows remain
 */
export const createCoverageExpiry = (
  { database, writeLazily }: Connection,
  retention: Retention,
  members: () => ReadonlySet<string> | undefined,
) => {
  const page = database.prepare(
    'SELECT test, pair, milliseconds FROM coverage WHERE (test, pair) > (?, ?) ORDER BY test, pair LIMIT ?',
  )
  const remove = database.prepare('DELETE FROM coverage WHERE test = ? AND pair = ?')
  const nodeTimes = database.prepare('SELECT node, test, milliseconds FROM last_measured')
  const removeNode = database.prepare('DELETE FROM last_measured WHERE node = ? AND test = ?')
  const longest = Math.max(retention.runs, retention.oneHour)
  const isExpired = (row: Record<string, unknown>, nodes: readonly string[], nowMs: number): boolean => {
    const at = Number(row.milliseconds)
    if (at > nowMs + MAX_CLOCK_AHEAD_MS) return true
    const known = members()
    if (!known || nodes.every((node) => known.has(node))) return false
    return at < nowMs - (row.test === 'ping' ? longest : retention.runs) * 1000
  }
  let sweptMs = Number.NEGATIVE_INFINITY
  let last: { test: string; pair: string } | undefined

  return (nowMs: number): boolean => {
    if (!last && Math.abs(nowMs - sweptMs) < SWEEP_MS) return false
    const rows = page.all(last?.test ?? '', last?.pair ?? '', ROWS_PER_SLICE)
    const old = rows.filter((row) => isExpired(row, String(row.pair).split(' ').slice(0, 2), nowMs))
    const isLast = rows.length < ROWS_PER_SLICE
    const nodes = isLast ? nodeTimes.all().filter((row) => isExpired(row, [String(row.node)], nowMs)) : []
    if (old.length + nodes.length > 0) {
      writeLazily(() => {
        for (const { test, pair } of old) remove.run(String(test), String(pair))
        for (const { node, test } of nodes) removeNode.run(String(node), String(test))
      })
    }
    const next = rows.at(-1)
    last = isLast || !next ? undefined : { test: String(next.test), pair: String(next.pair) }
    if (isLast) sweptMs = nowMs
    return !isLast
  }
}
