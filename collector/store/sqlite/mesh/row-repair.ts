import { DamagedWindow } from './damaged-rows.ts'
import { bucketOfKey, LEVELS, type Level, RAW } from './roll-up-levels.ts'
import { addWindow, joinEntries, readableEntries } from './window-codec.ts'
import { emptySum } from './window-sum.ts'
import type { Tables } from './window-tables.ts'

const isWhole = (bytes: Uint8Array, originMs: number): boolean => {
  try {
    const reader = { bytes, at: 0 }
    addWindow(emptySum(), reader, originMs)
    return reader.at <= bytes.length
  } catch (error) {
    if (error instanceof DamagedWindow) return false
    throw error
  }
}

/**
 * Repairs a row that was noted as damaged: a roll-up goes and is made anew where what it was made of is still there; of
 * raw windows those stay that are whole.
 * @param keptFromMs before this a level has been removed, in Unix milliseconds
 * @returns says whether there was any to look at
 */
export const createRepair = (
  { access, levels, todo, damage }: Tables,
  keptFromMs: (level: Level) => number,
  onDamaged: (level: string, timeMs: number) => void,
) => {
  const repairRaw = (key: number, body: Uint8Array, originMs: number): boolean => {
    const entries = readableEntries(body)
    const whole = entries.filter(({ bytes }) => isWhole(bytes, originMs))
    const kept = joinEntries(whole)
    if (kept.length === body.length) return false
    access.writeLazily(() => {
      if (whole.length > 0) levels.raw.put.run(key, kept)
      else levels.raw.deleteOne.run(key)
      access.figures.add('raw', whole.length - entries.length)
    })
    return true
  }
  const repairRollUp = (level: Level, key: number, body: Uint8Array, originMs: number): boolean => {
    if (isWhole(body, originMs)) return false
    const finer = LEVELS[LEVELS.indexOf(level) - 1]!
    access.writeLazily(() => {
      levels[level.name].deleteOne.run(key)
      access.figures.add(level.name, -1)
      if (keptFromMs(finer) > originMs) return
      if (level.name === 'five_minutes') todo.five_minutes.add.run(key)
      else todo.one_hour.add.run(key)
    })
    return true
  }
  return (): boolean => {
    const row = damage.take()
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
