import type { PathKey } from '../../windows.ts'
import type { Access } from '../connection.ts'
import { MAX_PATH } from './roll-up-levels.ts'

export type Paths = {
  pathId(key: PathKey): number
  /** In a transaction of its own. */
  keepPaths(): void
  paths(): ReadonlyMap<number, PathKey>
  /** Within a transaction: what was named since goes into the file with the first windows that use it. */
  save(): void
  /** After that transaction. */
  saved(): void
}

/** Names become small numbers, and three of them one number: a million paths are looked up without making a text. */
const NAMES = 2 ** 17

const createNumbers = () => {
  const numbers = new Map<string, number>()
  return (name: string): number => {
    const known = numbers.get(name)
    if (known !== undefined) return known
    if (numbers.size === NAMES) throw new RangeError(`more than ${NAMES} names of nodes or interfaces`)
    numbers.set(name, numbers.size)
    return numbers.size - 1
  }
}

export const createPaths = ({ database, guarded, write }: Access): Paths => {
  const insert = database.prepare(
    'INSERT INTO paths (id, source, destination, interface) VALUES (?, ?, ?, ?)',
  )
  const numberOf = createNumbers()
  const ids = new Map<number, number>()
  const keys = new Map<number, PathKey>()
  const pending = new Map<number, PathKey>()

  const indexOf = ({ source, destination, interface: name }: PathKey) =>
    (numberOf(source) * NAMES + numberOf(destination)) * NAMES + numberOf(name)
  const learn = (id: number, key: PathKey) => {
    ids.set(indexOf(key), id)
    keys.set(id, key)
  }

  guarded(() => {
    for (const row of database.prepare('SELECT id, source, destination, interface FROM paths').iterate()) {
      const { id, source, destination, interface: name } = row
      learn(Number(id), {
        source: String(source),
        destination: String(destination),
        interface: String(name),
      })
    }
  })

  const save = () => {
    for (const [id, { source, destination, interface: name }] of pending) {
      insert.run(id, source, destination, name)
    }
  }

  return {
    pathId: (key) => {
      const known = ids.get(indexOf(key))
      if (known !== undefined) return known
      const id = keys.size
      if (id > MAX_PATH) throw new RangeError(`more than ${MAX_PATH} paths`)
      const kept = { source: key.source, destination: key.destination, interface: key.interface }
      learn(id, kept)
      pending.set(id, kept)
      return id
    },
    paths: () => keys,
    keepPaths: () => {
      if (pending.size === 0) return
      write(save)
      pending.clear()
    },
    save,
    saved: () => pending.clear(),
  }
}
