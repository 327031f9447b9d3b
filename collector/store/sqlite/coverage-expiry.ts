import type { Retention } from '../windows.ts'
import { AHEAD_MS } from '../windows.ts'
import type { Access } from './connection.ts'

/** Rows that a slice looks at. */
const ROWS_PER_SLICE = 300
/** All rows are gone through so often: what is too old by hours harms nobody. */
const SWEEP_MS = 6 * 3_600_000

/**
 * Removes the times of nodes that have left the fleet, and of their pairs, once what was measured has gone by its age: in
 * a fleet whose nodes come and go they would gather for ever. A node that comes back before keeps what is known of it.
 * Times that lie ahead go too, from a clock that was.
 * @param members the nodes of the fleet; undefined while nobody has said
 */
export const createCoverageExpiry = (
  { database, writeLazily }: Access,
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
  const isOver = (row: Record<string, unknown>, nodes: readonly string[], nowMs: number): boolean => {
    const at = Number(row.milliseconds)
    if (at > nowMs + AHEAD_MS) return true
    const known = members()
    if (!known || nodes.every((node) => known.has(node))) return false
    return at < nowMs - (row.test === 'ping' ? longest : retention.runs) * 1000
  }
  let sweptMs = Number.NEGATIVE_INFINITY
  let last: { test: string; pair: string } | undefined

  /** Goes through a slice; says whether there is more to go through. */
  return (nowMs: number): boolean => {
    if (!last && Math.abs(nowMs - sweptMs) < SWEEP_MS) return false
    const rows = page.all(last?.test ?? '', last?.pair ?? '', ROWS_PER_SLICE)
    const old = rows.filter((row) => isOver(row, String(row.pair).split(' ').slice(0, 2), nowMs))
    const isLast = rows.length < ROWS_PER_SLICE
    const nodes = isLast ? nodeTimes.all().filter((row) => isOver(row, [String(row.node)], nowMs)) : []
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
