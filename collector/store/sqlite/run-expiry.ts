import type { Access } from './connection.ts'

/** The newest runs stay however old they are: what was last found is not forgotten because nobody measured since. */
export const KEPT_RUNS = 20

/** A result can be megabytes, with what its hosts did. */
const RESULTS_PER_SLICE = 50

export type RunRemoval = {
  /**
   * Removes a slice of the oldest run that is older than this, or of the one that was begun with; says whether there was
   * any.
   */
  removeOld(beforeMs: number, nowMs: number, isOverdue: () => boolean): boolean
  /** Undefined when there is none. */
  oldest(): number | undefined
  newest(): number | undefined
}

/** An id begins with 48 bits of Unix milliseconds (RFC 9562, version 7). */
const timeOf = (row: Record<string, unknown> | undefined): number | undefined =>
  row ? Number.parseInt(String(row.id).replaceAll('-', '').slice(0, 12), 16) : undefined

export const createRunRemoval = ({ database, figures, writeLazily }: Access): RunRemoval => {
  const first = database.prepare('SELECT key, id FROM runs ORDER BY key LIMIT 1')
  const last = database.prepare('SELECT key, id FROM runs ORDER BY key DESC LIMIT 1')
  const candidate = database.prepare(
    'SELECT key, id FROM runs WHERE state NOT IN (1, 2) AND key <= ? ORDER BY key LIMIT 1',
  )
  const byKey = database.prepare('SELECT key FROM runs WHERE key = ?')
  const lastRemovable = database.prepare('SELECT key FROM runs ORDER BY key DESC LIMIT 1 OFFSET ?')
  const someResults = database.prepare('SELECT key FROM results WHERE run = ? ORDER BY key LIMIT ?')
  const removeResult = database.prepare('DELETE FROM results WHERE key = ?')
  const removeRun = database.prepare('DELETE FROM runs WHERE key = ?')

  const oldestBefore = (beforeMs: number): Record<string, unknown> | undefined => {
    if (figures.get('runs') <= KEPT_RUNS) return undefined
    const run = candidate.get(Number(lastRemovable.get(KEPT_RUNS)?.key ?? 0))
    const created = timeOf(run)
    return created !== undefined && created < beforeMs ? run : undefined
  }

  return {
    oldest: () => timeOf(first.get()),
    newest: () => timeOf(last.get()),
    removeOld: (beforeMs, nowMs, isOverdue) => {
      // A run that has lost some of its results goes to the end, whatever has become of the reason.
      const begun = figures.get('removing_run')
      const run = begun > 0 ? byKey.get(begun) : oldestBefore(beforeMs)
      if (!run) return false
      const key = Number(run.key)
      writeLazily(() => {
        figures.set('removing_run', key)
        const results = someResults.all(key, RESULTS_PER_SLICE)
        for (const result of results) {
          removeResult.run(Number(result.key))
          if (isOverdue()) return
        }
        // The run goes with the last of its results, so that a kill leaves nothing that belongs to none.
        if (results.length === RESULTS_PER_SLICE) return
        removeRun.run(key)
        figures.set('removing_run', 0)
        figures.add('runs', -1)
        figures.set('last_expire', nowMs)
      })
      return true
    },
  }
}
