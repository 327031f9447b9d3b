import type { PathKey, WindowStore } from '../../windows.ts'
import type { Connection } from '../connection.ts'
import { MAX_PATH } from './roll-up-levels.ts'

/** The numbers of paths. New numbers are in memory until they are saved. */
export type PathIds = Pick<WindowStore, 'pathId' | 'keepPaths' | 'paths'> & {
  /** Writes new numbers. Must be called within a transaction. */
  save(): void
  /** Called after the commit of that transaction. */
  saved(): void
}

/** Maximum number of names. Three name numbers fit into one number, so a lookup needs no string concatenation. */
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

export const createPathIds = ({ database, guarded, write }: Connection): PathIds => {
  const insert = database.prepare(
    'INSERT INTO paths (id, source, destination, interface) VALUES (?, ?, ?, ?)',
  )
  const numberOf = createNumbers()
  const ids = new Map<number, number>()
  const keys = new Map<number, PathKey>()
  const unsaved = new Map<number, PathKey>()

  const indexOf = ({ source, destination, interface: name }: PathKey) =>
    (numberOf(source) * NAMES + numberOf(destination)) * NAMES + numberOf(name)
  const add = (id: number, key: PathKey) => {
    ids.set(indexOf(key), id)
    keys.set(id, key)
  }

  guarded(() => {
    for (const row of database.prepare('SELECT id, source, destination, interface FROM paths').iterate()) {
      const { id, source, destination, interface: name } = row
      add(Number(id), {
        source: String(source),
        destination: String(destination),
        interface: String(name),
      })
    }
  })

  const save = () => {
    for (const [id, { source, destination, interface: name }] of unsaved) {
      insert.run(id, source, destination, name)
    }
  }

  return {
    pathId: (key) => {
      const known = ids.get(indexOf(key))
      if (known !== undefined) return known
      const id = keys.size
      if (id > MAX_PATH) throw new RangeError(`more than ${MAX_PATH} paths`)
      const copy = { source: key.source, destination: key.destination, interface: key.interface }
      add(id, copy)
      unsaved.set(id, copy)
      return id
    },
    paths: () => keys,
    keepPaths: () => {
      if (unsaved.size === 0) return
      write(save)
      unsaved.clear()
    },
    save,
    saved: () => unsaved.clear(),
  }
}
