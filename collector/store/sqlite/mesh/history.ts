import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { limitError } from '../../../../lib/errors.ts'
import type { Window, WindowStore } from '../../windows.ts'
import { MAX_HISTORY_WINDOWS } from '../../windows.ts'
import type { Access } from '../access.ts'
import { bucketAt, bucketOfKey, FIVE_MINUTES, LEVELS, type Level, ONE_HOUR, RAW } from './levels.ts'
import type { Reading } from './reading.ts'
import { windowOf } from './sum.ts'
import type { Tables } from './tables.ts'

const LEVEL_OF: Partial<Record<Resolution, Level>> = {
  [Resolution.RESOLUTION_RAW]: RAW,
  [Resolution.RESOLUTION_5_MINUTES]: FIVE_MINUTES,
  [Resolution.RESOLUTION_1_HOUR]: ONE_HOUR,
}
const RESOLUTION_OF = {
  raw: Resolution.RESOLUTION_RAW,
  five_minutes: Resolution.RESOLUTION_5_MINUTES,
  one_hour: Resolution.RESOLUTION_1_HOUR,
} as const

/** Unix milliseconds before which a level has been removed; 0 when nothing has. */
export const keptFrom = ({ figures }: Access, { name }: Level): number => figures.get(`${name}_from`)

/**
 * A mesh's windows are up to a minute long. One of hours, of an agent that was stopped meanwhile, must not make
 * everybody read hours from then on: it is found where it began.
 */
const MAX_REACH_MS = 10 * 60_000

/** How far before a moment a window that reaches into it may have begun. */
export const reachMs = ({ figures }: Access): number => Math.min(figures.get('longest_window'), MAX_REACH_MS)

export const createHistory = (tables: Tables, reading: Reading): WindowStore['history'] => {
  const { access, levels, live } = tables

  /** The oldest bucket that may have anything: nobody looks into the years before. */
  const firstBucket = (level: Level): number => {
    let first = Number(levels[level.name].first.get()?.key ?? Number.POSITIVE_INFINITY)
    first = bucketOfKey(first)
    for (const finer of LEVELS.slice(0, LEVELS.indexOf(level))) {
      first = Math.min(first, bucketAt(level, firstBucket(finer) * finer.spanMs))
    }
    if (level === RAW) for (const minute of live.keys()) first = Math.min(first, minute)
    return first
  }

  /** Undefined when there are more than may be given at once. */
  const windowsOf = (path: number, fromMs: number, toMs: number, level: Level): Window[] | undefined => {
    const windows: Window[] = []
    const first = Math.max(bucketAt(level, fromMs - reachMs(access)), firstBucket(level))
    const last = bucketAt(level, Math.min(toMs - 1, lastMs(level)))
    for (let bucket = first; bucket <= last; bucket++) {
      for (const sum of reading.windows(level, bucket, path)) {
        if (sum.startMs >= toMs || sum.endMs <= fromMs) continue
        if (windows.length === MAX_HISTORY_WINDOWS) return undefined
        windows.push(windowOf(path, sum))
      }
    }
    return windows
  }

  /** The end of what is newest at any level. */
  const lastMs = (level: Level): number => {
    const ends = LEVELS.map(({ name, spanMs }) => {
      const key = levels[name].last.get()?.key
      return key === null || key === undefined ? 0 : (bucketOfKey(Number(key)) + 1) * spanMs
    })
    for (const minute of live.keys()) ends.push((minute + 1) * RAW.spanMs)
    return Math.max(...ends) + level.spanMs
  }

  return (path, fromMs, toMs, resolution) =>
    access.guarded(() => {
      const asked = LEVEL_OF[resolution]
      const candidates = asked ? [asked] : LEVELS.filter((level) => keptFrom(access, level) <= fromMs)
      for (const level of candidates.length > 0 ? candidates : [ONE_HOUR]) {
        const windows = windowsOf(path, fromMs, toMs, level)
        if (windows) return { resolution: RESOLUTION_OF[level.name], windows }
      }
      throw limitError('collector', {
        problem: 'too many windows in this time range; request a shorter range or a coarser resolution',
        limit: 'max_history_windows',
        value: MAX_HISTORY_WINDOWS,
      })
    })
}
