import type { LevelName } from './roll-up-levels.ts'

/**
 * The bytes of a window are not what was written. SQLite does not detect damage within a row, so this error carries its
 * code for a damaged database (11).
 */
export class DamagedWindow extends Error {
  readonly errcode = 11

  constructor() {
    super('a stored window is incomplete')
    this.name = 'DamagedWindow'
  }
}

type DamagedRow = { level: LevelName; key: number }

/** Maximum number of damaged rows that wait for repair. Further ones are found again when they are read. */
const MAX_WAITING = 1_000

/** The damaged rows that were found while reading. Reading continues without them, and maintenance repairs them. */
export type DamagedRows = {
  /** Returns the result of `read`, or `otherwise` when the row is damaged; then the row waits for repair. */
  tolerate<T>(level: LevelName, key: number, read: () => T, otherwise: T): T
  /** Removes a waiting row and returns it. */
  take(): DamagedRow | undefined
}

export const createDamagedRows = (): DamagedRows => {
  const waiting = new Map<string, DamagedRow>()
  return {
    tolerate: (level, key, read, otherwise) => {
      try {
        return read()
      } catch (error) {
        if (!(error instanceof DamagedWindow)) throw error
        if (waiting.size < MAX_WAITING) waiting.set(`${level} ${key}`, { level, key })
        return otherwise
      }
    },
    take: () => {
      for (const [name, row] of waiting) {
        waiting.delete(name)
        return row
      }
      return undefined
    },
  }
}
