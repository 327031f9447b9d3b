import type { LevelName } from './roll-up-levels.ts'

/** In the words of SQLite, which does not see when the bytes in a row are not what was written. */
export class DamagedWindow extends Error {
  readonly errcode = 11

  constructor() {
    super('a window is not whole')
    this.name = 'DamagedWindow'
  }
}

type Row = { level: LevelName; key: number }

/** Rows that were found and not repaired yet; those beyond are found again. */
const MAX_NOTED = 1_000

/** Rows whose bytes are not whole: who reads goes on without them, and upkeep repairs them. */
export type Damage = {
  /** What `read` gives, or `otherwise` when the row is damaged; then upkeep is told. */
  tolerate<T>(level: LevelName, key: number, read: () => T, otherwise: T): T
  /** A row that was noted, once. */
  take(): Row | undefined
}

export const createDamage = (): Damage => {
  const noted = new Map<string, Row>()
  return {
    tolerate: (level, key, read, otherwise) => {
      try {
        return read()
      } catch (error) {
        if (!(error instanceof DamagedWindow)) throw error
        if (noted.size < MAX_NOTED) noted.set(`${level} ${key}`, { level, key })
        return otherwise
      }
    },
    take: () => {
      for (const [name, row] of noted) {
        noted.delete(name)
        return row
      }
      return undefined
    },
  }
}
