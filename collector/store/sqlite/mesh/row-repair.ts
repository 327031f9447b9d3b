import { DamagedWindow } from './damaged-rows.ts'
import { bucketOfKey, LEVELS, type Level, RAW } from './roll-up-levels.ts'
import { addWindow, joinEntries, readableEntries } from './window-codec.ts'
import { emptyWindowSum } from './window-sum.ts'
import type { WindowTables } from './window-tables.ts'

const isIntact = (bytes: Uint8Array, originMs: number): boolean => {
  try {
    const reader = { bytes, at: 0 }
    addWindow(emptyWindowSum(), reader, originMs)
    return reader.at <= bytes.length
  } catch (error) {
    if (error instanceof DamagedWindow) return false
    throw error
  }
}

/**
 * Repairs damaged rows. A roll-up is deleted, and computed again when the finer level still covers its bucket. In a row of
 * raw windows the intact ones stay.
 * @param retainedFromMs returns the start of a level in Unix milliseconds
 * @returns a function that examines one row and returns whether there was any
 */
export const createRowRepair = (
  { connection, levels, todo, damagedRows }: WindowTables,
  retainedFromMs: (level: Level) => number,
  onDamaged: (level: string, timeMs: number) => void,
) => {
  const repairRaw = (key: number, body: Uint8Array, originMs: number): boolean => {
    const entries = readableEntries(body)
    const intact = entries.filter(({ bytes }) => isIntact(bytes, originMs))
    const repaired = joinEntries(intact)
    if (repaired.length === body.length) return false
    connection.writeLazily(() => {
      if (intact.length > 0) levels.raw.put.run(key, repaired)
      else levels.raw.deleteOne.run(key)
      connection.figures.add('raw', intact.length - entries.length)
    })
    return true
  }
  const repairRollUp = (level: Level, key: number, body: Uint8Array, originMs: number): boolean => {
    if (isIntact(body, originMs)) return false
    const finer = LEVELS[LEVELS.indexOf(level) - 1]!
    connection.writeLazily(() => {
      levels[level.name].deleteOne.run(key)
      connection.figures.add(level.name, -1)
      if (retainedFromMs(finer) > originMs) return
      if (level.name === 'five_minutes') todo.five_minutes.add.run(key)
      else todo.one_hour.add.run(key)
    })
    return true
  }
  return (): boolean => {
    const row = damagedRows.take()
    if (!row) return false
    const level = LEVELS.find(({ name }) => name === row.level)!
    const body = levels[level.name].get.get(row.key)?.body as Uint8Array | undefined
    if (!body) return true
    const originMs = bucketOfKey(row.key) * level.spanMs
    const isRepaired =
      level === RAW ? repairRaw(row.key, body, originMs) : repairRollUp(level, row.key, body, originMs)
    if (isRepaired) onDamaged(level.name, originMs)
    return true
  }
}
