import type { DatabaseSync } from 'node:sqlite'
import { inTransaction, type OpenDatabase } from './database.ts'
import { toStoreFailure } from './errors.ts'

/** Numbers that the store keeps of itself, such as how many rows there are: what is not there is 0. */
export type Figures = {
  get(name: string): number
  /** Within a transaction: becomes true with it, or not at all. */
  set(name: string, value: number): void
  add(name: string, by: number): void
}

/** The one way to the database: whatever the medium does has one name, and figures change with what they count. */
export type Access = {
  database: DatabaseSync
  path: string
  figures: Figures
  guarded<T>(work: () => T): T
  /** A transaction that is durable when it returns. */
  write<T>(work: () => T): T
  /**
   * A transaction that a loss of power, not a kill, may undo with what came after it: for work that would only be done
   * again. It does not wait for the disk.
   */
  writeLazily<T>(work: () => T): T
}

const createFigures = (database: DatabaseSync) => {
  const put = database.prepare(
    'INSERT INTO figures (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  )
  const values = new Map(
    database
      .prepare('SELECT name, value FROM figures')
      .all()
      .map(({ name, value }) => [String(name), Number(value)]),
  )
  const staged = new Map<string, number>()
  const get = (name: string) => staged.get(name) ?? values.get(name) ?? 0
  const set = (name: string, value: number) => {
    staged.set(name, value)
  }
  return {
    figures: { get, set, add: (name: string, by: number) => set(name, get(name) + by) },
    /** The last thing in a transaction. */
    save: () => {
      for (const [name, value] of staged) put.run(name, value)
    },
    keep: () => {
      for (const [name, value] of staged) values.set(name, value)
    },
    forget: () => staged.clear(),
  }
}

export const createAccess = ({ database, path }: OpenDatabase): Access => {
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw toStoreFailure(path, error)
    }
  }
  const { figures, save, keep, forget } = guarded(() => createFigures(database))
  const write = <T>(work: () => T): T =>
    guarded(() => {
      try {
        const result = inTransaction(database, () => {
          const done = work()
          save()
          return done
        })
        keep()
        return result
      } finally {
        forget()
      }
    })
  return {
    database,
    path,
    figures,
    guarded,
    write,
    writeLazily: (work) => {
      guarded(() => database.exec('PRAGMA synchronous = NORMAL'))
      try {
        return write(work)
      } finally {
        if (database.isOpen) database.exec('PRAGMA synchronous = FULL')
      }
    },
  }
}
