import type { Connection } from '../connection.ts'
import { createDamagedRows, type DamagedRows, DamagedWindow } from './damaged-rows.ts'
import { createMinuteBuffer, type MinuteBuffer } from './minute-buffer.ts'
import {
  bucketOfKey,
  FIVE_MINUTES,
  LEVELS,
  type Level,
  type LevelName,
  ONE_HOUR,
  RAW,
  rowKey,
} from './roll-up-levels.ts'
import { type Entry, readableEntries, readEntries, sortEntries } from './window-codec.ts'

const prepareLevel = ({ database }: Connection, { name }: Level) => ({
  get: database.prepare(`SELECT body FROM ${name} WHERE key = ?`),
  put: database.prepare(
    `INSERT INTO ${name} (key, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`,
  ),
  /** Rows from the first key (inclusive) to the second (exclusive). */
  range: database.prepare(`SELECT key, body FROM ${name} WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`),
  first: database.prepare(`SELECT min(key) AS key FROM ${name}`),
  last: database.prepare(`SELECT max(key) AS key FROM ${name}`),
  deleteOne: database.prepare(`DELETE FROM ${name} WHERE key = ?`),
})

/** Roll-ups of a level that must be computed because the finer level has changed. */
const prepareTodo = ({ database }: Connection, { name }: Level) => ({
  add: database.prepare(`INSERT OR IGNORE INTO todo_${name} (key) VALUES (?)`),
  has: database.prepare(`SELECT 1 FROM todo_${name} WHERE key = ?`),
  next: database.prepare(`SELECT key FROM todo_${name} WHERE key < ? ORDER BY key LIMIT ?`),
  first: database.prepare(`SELECT min(key) AS key FROM todo_${name}`),
  done: database.prepare(`DELETE FROM todo_${name} WHERE key = ?`),
})

const prepareFresh = ({ database }: Connection) => ({
  insert: database.prepare('INSERT INTO fresh (key, body) VALUES (?, ?)'),
  all: database.prepare('SELECT key, body FROM fresh ORDER BY key'),
  remove: database.prepare(
    'DELETE FROM fresh WHERE key IN (SELECT key FROM fresh WHERE key >= ? AND key < ? LIMIT ?)',
  ),
})

/** The tables of windows, and the windows of the newest minutes in memory. */
export type WindowTables = {
  connection: Connection
  levels: Record<LevelName, ReturnType<typeof prepareLevel>>
  todo: Record<'five_minutes' | 'one_hour', ReturnType<typeof prepareTodo>>
  fresh: ReturnType<typeof prepareFresh>
  /** The content of `fresh` by minute, until it is sorted into `raw`. */
  buffers: Map<number, MinuteBuffer>
  /** Returns the buffer of a minute, and creates it when missing. */
  bufferOf(minute: number): MinuteBuffer
  /** Returns the number of the next row of `fresh`. */
  nextFresh(): number
  damagedRows: DamagedRows
  /** Returns the windows of a path and minute in order, from `raw` and from memory. @param stored the row of `raw` */
  rawEntries(minute: number, path: number, stored?: Uint8Array): Entry[]
}

const NO_BYTES = new Uint8Array()

/** @param onDamaged called for each damaged row of `fresh`, with the start of its minute in Unix milliseconds */
export const createWindowTables = (
  connection: Connection,
  onDamaged: (level: string, timeMs: number) => void = () => undefined,
): WindowTables => {
  const [raw, fiveMinutes, oneHour] = LEVELS.map((level) => prepareLevel(connection, level))
  const fresh = prepareFresh(connection)
  const buffers = new Map<number, MinuteBuffer>()
  const damagedRows = createDamagedRows()
  let freshRows = 0
  const bufferOf = (minute: number): MinuteBuffer => {
    const known = buffers.get(minute) ?? createMinuteBuffer()
    buffers.set(minute, known)
    return known
  }
  const loadRow = (minute: number, body: Uint8Array) => {
    try {
      bufferOf(minute).addRow(body)
    } catch (error) {
      if (!(error instanceof DamagedWindow)) throw error
      onDamaged('fresh', minute * RAW.spanMs)
    }
  }
  connection.guarded(() => {
    for (const { key, body } of fresh.all.iterate()) {
      const minute = bucketOfKey(Number(key))
      loadRow(minute, body as Uint8Array)
      freshRows = Math.max(freshRows, (Number(key) % rowKey(1, 0)) + 1)
    }
  })
  return {
    connection,
    levels: { raw: raw!, five_minutes: fiveMinutes!, one_hour: oneHour! },
    todo: {
      five_minutes: prepareTodo(connection, FIVE_MINUTES),
      one_hour: prepareTodo(connection, ONE_HOUR),
    },
    fresh,
    buffers,
    bufferOf,
    // A row of `fresh` exists for minutes only. At one row per second the numbers repeat after 190 days.
    nextFresh: () => freshRows++ % rowKey(1, 0),
    damagedRows,
    rawEntries: (minute, path, given) => {
      const key = rowKey(minute, path)
      const stored = given ?? (raw!.get.get(key)?.body as Uint8Array | undefined) ?? NO_BYTES
      const entries =
        damagedRows.tolerate('raw', key, () => readEntries(stored), undefined) ?? readableEntries(stored)
      return sortEntries([...entries, ...(buffers.get(minute)?.entries(path) ?? [])])
    },
  }
}
