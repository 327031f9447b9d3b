import { Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import { limitError } from '../../../../lib/errors.ts'
import { MAX_HISTORY_WINDOWS, type Window, type WindowStore } from '../../windows.ts'
import type { Connection } from '../connection.ts'
import type { BucketReader } from './bucket-reader.ts'
import {
  bucketAt,
  bucketOfKey,
  FIVE_MINUTES,
  LEVELS,
  type Level,
  ONE_HOUR,
  RAW,
  retainedFromMs,
} from './roll-up-levels.ts'
import { windowOf } from './window-sum.ts'
import type { WindowTables } from './window-tables.ts'

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

/**
 * The windows of a mesh are up to a minute long. A window of hours, from an agent that was suspended, must not make every
 * later query read hours of rows: it is found only in the interval in which it began.
 */
const MAX_OVERLAP_MS = 10 * 60_000

/** Returns how long before a moment a window that contains it may have begun, in milliseconds. */
export const maxOverlapMs = ({ figures }: Connection): number =>
  Math.min(figures.get('longest_window'), MAX_OVERLAP_MS)

export const createHistory = (tables: WindowTables, reader: BucketReader): WindowStore['history'] => {
  const { connection, levels, buffers } = tables

  /** Returns the oldest bucket with content at this or a finer level, so that the empty time before is not read. */
  const firstBucket = (level: Level): number => {
    let first = Number(levels[level.name].first.get()?.key ?? Number.POSITIVE_INFINITY)
    first = bucketOfKey(first)
    for (const finer of LEVELS.slice(0, LEVELS.indexOf(level))) {
      first = Math.min(first, bucketAt(level, firstBucket(finer) * finer.spanMs))
    }
    if (level === RAW) for (const minute of buffers.keys()) first = Math.min(first, minute)
    return first
  }

  /** Returns undefined when there are more than MAX_HISTORY_WINDOWS. */
  const windowsOf = (path: number, fromMs: number, toMs: number, level: Level): Window[] | undefined => {
    const windows: Window[] = []
    const first = Math.max(bucketAt(level, fromMs - maxOverlapMs(connection)), firstBucket(level))
    const last = bucketAt(level, Math.min(toMs - 1, lastMs(level)))
    for (let bucket = first; bucket <= last; bucket++) {
      for (const sum of reader.windows(level, bucket, path)) {
        if (sum.startMs >= toMs || sum.endMs <= fromMs) continue
        if (windows.length === MAX_HISTORY_WINDOWS) return undefined
        windows.push(windowOf(path, sum))
      }
    }
    return windows
  }

  /** Returns a time after the newest content of all levels. */
  const lastMs = (level: Level): number => {
    const ends = LEVELS.map(({ name, spanMs }) => {
      const key = levels[name].last.get()?.key
      return key === null || key === undefined ? 0 : (bucketOfKey(Number(key)) + 1) * spanMs
    })
    for (const minute of buffers.keys()) ends.push((minute + 1) * RAW.spanMs)
    return Math.max(...ends) + level.spanMs
  }

  return (path, fromMs, toMs, resolution) =>
    connection.guarded(() => {
      const requested = LEVEL_OF[resolution]
      const candidates = requested
        ? [requested]
        : LEVELS.filter((level) => retainedFromMs(connection, level) <= fromMs)
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
