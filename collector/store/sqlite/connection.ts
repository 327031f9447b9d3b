import type { DatabaseSync } from 'node:sqlite'
import { inTransaction, type OpenDatabase } from './database.ts'
import { toStoreError } from './errors.ts'

/** Named numbers that the store keeps about its own content, such as the number of runs. A missing one is 0. */
export type Figures = {
  get(name: string): number
  /** Within a transaction: takes effect with its commit, or not at all. */
  set(name: string, value: number): void
  add(name: string, by: number): void
}

/** Access to the database. Maps the errors of the medium to operating errors, and commits figures with their content. */
export type Connection = {
  database: DatabaseSync
  path: string
  figures: Figures
  /** @throws OperatingError STORE_UNAVAILABLE when SQLite or the file system fails */
  guarded<T>(work: () => T): T
  /** Runs a transaction that is durable when it returns. */
  write<T>(work: () => T): T
  /**
   * Runs a transaction without waiting for the disk. It survives a kill, but a power loss may undo it. Used for work
   * that would only be repeated.
   */
  writeLazily<T>(work: () => T): T
  /** Decodes a record of a table. Undefined, and one report for the record, when it is damaged. */
  readable<T>(table: string, name: string, decode: () => T): T | undefined
}

/** Damaged records of which the name is remembered, so that each is reported once. */
const MAX_DAMAGED = 10_000

class FigureTable implements Figures {
  readonly #put
  readonly #committed: Map<string, number>
  readonly #changed = new Map<string, number>()

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      'INSERT INTO figures (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    )
    const rows = database.prepare('SELECT name, value FROM figures').all()
    this.#committed = new Map(rows.map(({ name, value }) => [String(name), Number(value)]))
  }

  get(name: string): number {
    return this.#changed.get(name) ?? this.#committed.get(name) ?? 0
  }

  set(name: string, value: number): void {
    this.#changed.set(name, value)
  }

  add(name: string, by: number): void {
    this.set(name, this.get(name) + by)
  }

  /** Writes the changes. Called last in a transaction. */
  save(): void {
    for (const [name, value] of this.#changed) this.#put.run(name, value)
  }

  /** Called after the commit. */
  commit(): void {
    for (const [name, value] of this.#changed) this.#committed.set(name, value)
  }

  /** Drops the changes that were not committed. */
  clear(): void {
    this.#changed.clear()
  }
}

/** @param onDamagedRecord called once for each record that cannot be decoded, with its table, its name and the cause */
export const createConnection = (
  { database, path }: OpenDatabase,
  onDamagedRecord: (table: string, name: string, cause: string) => void = () => undefined,
): Connection => {
  const damaged = new Set<string>()
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw toStoreError(path, error)
    }
  }
  const figures = guarded(() => new FigureTable(database))
  const write = <T>(work: () => T): T =>
    guarded(() => {
      try {
        const result = inTransaction(database, () => {
          const done = work()
          figures.save()
          return done
        })
        figures.commit()
        return result
      } finally {
        figures.clear()
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
    readable: (table, name, decode) => {
      try {
        return decode()
      } catch (error) {
        const key = `${table} ${name}`
        if (!damaged.has(key) && damaged.size < MAX_DAMAGED) {
          damaged.add(key)
          onDamagedRecord(table, name, error instanceof Error ? error.message : String(error))
        }
        return undefined
      }
    },
  }
}
