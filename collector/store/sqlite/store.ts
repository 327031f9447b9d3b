import { type Clock, systemClock } from '../../../lib/clock.ts'
import { MAX_CLOCK_AHEAD_MS } from '../coverage.ts'
import { STORE_LIMITS, type StoreLimits } from '../limits.ts'
import type { Store } from '../store.ts'
import { createCheckStore } from './checks.ts'
import { createConnection } from './connection.ts'
import { createCoverage } from './coverage.ts'
import { type OpenDatabase, openDatabase } from './database.ts'
import { createDocuments } from './documents.ts'
import { createMaintenance } from './maintenance.ts'
import { createWindowStore } from './mesh/window-store.ts'
import { createRunStore } from './runs.ts'

export type SqliteStoreDeps = {
  clock: Pick<Clock, 'now' | 'monotonicSeconds' | 'yield'>
  /** Called once for each damaged row, with its level and the start of its bucket in Unix milliseconds. */
  onDamaged: (level: string, timeMs: number) => void
  /** Called once for each other record that cannot be decoded, with its table, its name and the cause. */
  onDamagedRecord: (table: string, name: string, cause: string) => void
}

/**
 * Opens a store in one SQLite file, and creates it when missing; `:memory:` for tests. One collector at a time can have it
 * open.
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
  { clock = systemClock, onDamaged = () => undefined, onDamagedRecord }: Partial<SqliteStoreDeps> = {},
): Store => {
  const connection = createConnection(opened, onDamagedRecord)
  return connection.guarded(() => {
    const latest = () => clock.now().getTime() + MAX_CLOCK_AHEAD_MS
    const coverage = createCoverage(connection, latest)
    const { store: windows, ...mesh } = createWindowStore(connection, { clock, onDamaged })
    return {
      ...createRunStore(connection, coverage, latest),
      ...createCheckStore(connection),
      ...createDocuments(connection),
      ...windows,
      ...createMaintenance({ connection, ...mesh, limits }),
      coverage: coverage.coverage,
      putCoverage: coverage.putCoverage,
      close: opened.close,
    }
  })
}
