import type { Connection } from './connection.ts'

/** The newest runs are kept at any age, so that the last findings stay available when nothing was measured since. */
const MIN_RUNS = 20

/** Results removed per slice. A result with host samples can be megabytes. */
const RESULTS_PER_SLICE = 50

export type RunExpiry = {
  /**
   * Removes one slice of the oldest run that was created before `beforeMs`, or of the run whose removal has begun. Returns
   * whether there was any.
   */
  removeOld(beforeMs: number, nowMs: number, isOverdue: () => boolean): boolean
  /** Creation time in Unix milliseconds; undefined without runs. */
  oldest(): number | undefined
  newest(): number | undefined
}

/** Returns the creation time of a run. Its id begins with 48 bits of Unix milliseconds (RFC 9562, UUID version 7). */
const timeOf = (row: Record<string, unknown> | undefined): number | undefined =>
  row ? Number.parseInt(String(row.id).replaceAll('-', '').slice(0, 12), 16) : undefined

export const createRunExpiry = ({ database, figures, writeLazily }: Connection): RunExpiry => {
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
    if (figures.get('runs') <= MIN_RUNS) return undefined
    const run = candidate.get(Number(lastRemovable.get(MIN_RUNS)?.key ?? 0))
    const created = timeOf(run)
    return created !== undefined && created < beforeMs ? run : undefined
  }

  return {
    oldest: () => timeOf(first.get()),
    newest: () => timeOf(last.get()),
    removeOld: (beforeMs, nowMs, isOverdue) => {
      // A run that has lost some results is removed completely, even if the reason for its removal no longer applies.
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
        // The run is removed together with its last results, so that a kill leaves no results without a run.
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
