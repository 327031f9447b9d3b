import type { Access } from '../connection.ts'
import { createDamage, type Damage, DamagedWindow } from './damaged-rows.ts'
import { createLiveMinute, type LiveMinute } from './minute-buffer.ts'
import {
  bucketOfKey,
  FIVE_MINUTES,
  keyOf,
  LEVELS,
  type Level,
  type LevelName,
  ONE_HOUR,
  RAW,
} from './roll-up-levels.ts'
import { type Entry, inOrder, readableEntries, readEntries } from './window-codec.ts'

const prepareLevel = ({ database }: Access, { name }: Level) => ({
  get: database.prepare(`SELECT body FROM ${name} WHERE key = ?`),
  put: database.prepare(
    `INSERT INTO ${name} (key, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`,
  ),
  /** Rows of keys from one to before another. */
  range: database.prepare(`SELECT key, body FROM ${name} WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`),
  first: database.prepare(`SELECT min(key) AS key FROM ${name}`),
  last: database.prepare(`SELECT max(key) AS key FROM ${name}`),
  deleteOne: database.prepare(`DELETE FROM ${name} WHERE key = ?`),
})

/** What must be made anew of a coarser level, because a finer one has changed under it. */
const prepareTodo = ({ database }: Access, { name }: Level) => ({
  add: database.prepare(`INSERT OR IGNORE INTO todo_${name} (key) VALUES (?)`),
  has: database.prepare(`SELECT 1 FROM todo_${name} WHERE key = ?`),
  next: database.prepare(`SELECT key FROM todo_${name} WHERE key < ? ORDER BY key LIMIT ?`),
  first: database.prepare(`SELECT min(key) AS key FROM todo_${name}`),
  done: database.prepare(`DELETE FROM todo_${name} WHERE key = ?`),
})

const prepareFresh = ({ database }: Access) => ({
  insert: database.prepare('INSERT INTO fresh (key, body) VALUES (?, ?)'),
  all: database.prepare('SELECT key, body FROM fresh ORDER BY key'),
  remove: database.prepare(
    'DELETE FROM fresh WHERE key IN (SELECT key FROM fresh WHERE key >= ? AND key < ? LIMIT ?)',
  ),
})

export type LevelSql = ReturnType<typeof prepareLevel>
export type TodoSql = ReturnType<typeof prepareTodo>

/** The tables of windows with what of them is in memory. */
export type Tables = {
  access: Access
  levels: Record<LevelName, LevelSql>
  todo: Record<'five_minutes' | 'one_hour', TodoSql>
  fresh: ReturnType<typeof prepareFresh>
  /** By minute. Minutes that are over go to `raw` soon. */
  live: Map<number, LiveMinute>
  liveMinute(minute: number): LiveMinute
  /** Number of the next row of `fresh`. */
  nextFresh(): number
  damage: Damage
  /** Windows of a path and minute in order, wherever they are now. */
  rawEntries(minute: number, path: number): Entry[]
}

const NO_BYTES = new Uint8Array()

/** @param onDamaged told of a row that is not whole, with its level and the beginning of its time in Unix milliseconds */
export const createTables = (
  access: Access,
  onDamaged: (level: string, timeMs: number) => void = () => undefined,
): Tables => {
  const [raw, fiveMinutes, oneHour] = LEVELS.map((level) => prepareLevel(access, level))
  const fresh = prepareFresh(access)
  const live = new Map<number, LiveMinute>()
  const damage = createDamage()
  let rowsOfFresh = 0
  const liveMinute = (minute: number): LiveMinute => {
    const known = live.get(minute) ?? createLiveMinute()
    live.set(minute, known)
    return known
  }
  const absorb = (minute: number, body: Uint8Array) => {
    try {
      liveMinute(minute).absorb(body)
    } catch (error) {
      if (!(error instanceof DamagedWindow)) throw error
      onDamaged('fresh', minute * RAW.spanMs)
    }
  }
  access.guarded(() => {
    for (const { key, body } of fresh.all.iterate()) {
      const minute = bucketOfKey(Number(key))
      absorb(minute, body as Uint8Array)
      rowsOfFresh = Math.max(rowsOfFresh, (Number(key) % keyOf(1, 0)) + 1)
    }
  })
  return {
    access,
    levels: { raw: raw!, five_minutes: fiveMinutes!, one_hour: oneHour! },
    todo: { five_minutes: prepareTodo(access, FIVE_MINUTES), one_hour: prepareTodo(access, ONE_HOUR) },
    fresh,
    live,
    liveMinute,
    // A row stays for minutes, so that the numbers of 190 days at 1 row a second have no need to differ.
    nextFresh: () => rowsOfFresh++ % keyOf(1, 0),
    damage,
    rawEntries: (minute, path) => {
      const key = keyOf(minute, path)
      const kept = (raw!.get.get(key)?.body as Uint8Array | undefined) ?? NO_BYTES
      const entries = damage.tolerate('raw', key, () => readEntries(kept), undefined) ?? readableEntries(kept)
      return inOrder([...entries, ...(live.get(minute)?.entries(path) ?? [])])
    },
  }
}
