import { type Clock, systemClock } from '../../../lib/clock.ts'
import { STORE_LIMITS, type StoreLimits } from '../limits.ts'
import type { Store } from '../store.ts'
import { AHEAD_MS } from '../windows.ts'
import { createAccess } from './access.ts'
import { createCheckStore } from './checks.ts'
import { createCoverage } from './coverage.ts'
import { type OpenDatabase, openDatabase } from './database.ts'
import { createDocuments } from './documents.ts'
import { createWindowStore } from './mesh/windows.ts'
import { createRunStore } from './runs.ts'
import { createUpkeep } from './upkeep.ts'

export type SqliteStoreDeps = {
  clock: Pick<Clock, 'now' | 'monotonicSeconds' | 'yield'>
  /** Told once of each row whose bytes are not whole, with its level and the beginning of its time in Unix milliseconds. */
  onDamaged: (level: string, timeMs: number) => void
}

/**
 * A store in one SQLite file, made when missing; `:memory:` for tests. One collector at a time.
 * @throws OperatingError STORE_UNAVAILABLE with the path and what to do
 */
export const openSqliteStore = (
  file: string,
  limits: StoreLimits = STORE_LIMITS,
  deps: Partial<SqliteStoreDeps> = {},
): Store => createSqliteStore(openDatabase(file), limits, deps)

export const createSqliteStore = (
  opened: OpenDatabase,
  limits: StoreLimits = STORE_LIMITS,
  { clock = systemClock, onDamaged = () => undefined }: Partial<SqliteStoreDeps> = {},
): Store => {
  const access = createAccess(opened)
  return access.guarded(() => {
    const latest = () => clock.now().getTime() + AHEAD_MS
    const coverage = createCoverage(access, latest)
    const { store: windows, ...mesh } = createWindowStore(access, { clock, onDamaged })
    return {
      ...createRunStore(access, coverage, latest),
      ...createCheckStore(access),
      ...createDocuments(access),
      ...windows,
      ...createUpkeep({ access, ...mesh, limits }),
      coverage: coverage.coverage,
      putCoverage: coverage.putCoverage,
      close: opened.close,
    }
  })
}
