import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../../lib/clock.ts'
import type { Window, WindowBatch, WindowStore } from '../../windows.ts'
import type { Connection } from '../connection.ts'
import { createAggregate } from './aggregate.ts'
import { createBucketReader } from './bucket-reader.ts'
import { createHistory } from './history.ts'
import { createMeshEvents } from './mesh-events.ts'
import { createPathIds } from './path-ids.ts'
import { createRollUp, type RollUp } from './roll-up.ts'
import { bucketAt, RAW, retainedFromMs, rowKey } from './roll-up-levels.ts'
import { createRowRepair } from './row-repair.ts'
import { WindowWriter } from './window-codec.ts'
import { sumOf } from './window-sum.ts'
import { createWindowTables, type WindowTables } from './window-tables.ts'

/**
 * Encodes windows into rows of `fresh`: one row per minute, each window after the number of its path.
 * @param oldestMs returns the start of the raw level; older windows have been removed already and are ignored
 */
const createEncoder = (oldestMs: () => number) => {
  const rows = new Map<number, WindowWriter>()
  let count = 0
  let longestMs = 0
  return {
    add: (windows: readonly Window[]): void => {
      const fromMs = oldestMs()
      count += windows.length
      for (const window of windows) {
        const sum = sumOf(window)
        if (sum.startMs < fromMs) continue
        const minute = bucketAt(RAW, sum.startMs)
        const writer = rows.get(minute) ?? new WindowWriter(4096)
        rows.set(minute, writer)
        writer.path(window.path)
        writer.sum(sum, minute * RAW.spanMs)
        longestMs = Math.max(longestMs, sum.endMs - sum.startMs)
      }
    },
    count: () => count,
    /** The rows, without minutes that became too old while they waited. */
    rows: (): [minute: number, body: Uint8Array][] => {
      const oldest = bucketAt(RAW, oldestMs())
      return [...rows].flatMap(([minute, writer]) => (minute < oldest ? [] : [[minute, writer.bytes()]]))
    },
    longestMs: () => longestMs,
  }
}

/** Creates the store of windows and events, and the parts of it that the maintenance of the store needs. */
export const createWindowStore = (
  connection: Connection,
  {
    clock,
    onDamaged,
  }: {
    clock: Pick<Clock, 'monotonicSeconds' | 'yield'>
    onDamaged: (level: string, timeMs: number) => void
  },
): { store: WindowStore; tables: WindowTables; rollUp: RollUp; repair: () => boolean } => {
  const tables = createWindowTables(connection, onDamaged)
  const { figures } = connection
  const { pathId, keepPaths, paths, save, saved } = createPathIds(connection)
  const events = createMeshEvents(connection)
  const reader = createBucketReader(tables)
  const rollUp = createRollUp(tables, reader)
  const repair = createRowRepair(tables, (level) => retainedFromMs(connection, level), onDamaged)

  const put = (windows: ReturnType<typeof createEncoder>, newEvents: readonly MeshEvent[]): void => {
    if (windows.count() === 0 && newEvents.length === 0) return
    const rows = windows.rows()
    connection.write(() => {
      save()
      for (const [minute, body] of rows) {
        tables.fresh.insert.run(rowKey(minute, tables.nextFresh()), body)
      }
      if (windows.longestMs() > figures.get('longest_window')) {
        figures.set('longest_window', windows.longestMs())
      }
      events.put(newEvents)
    })
    saved()
    for (const [minute, body] of rows) tables.bufferOf(minute).addRow(body)
  }
  const windowBatch = (): WindowBatch => {
    const encoder = createEncoder(() => retainedFromMs(connection, RAW))
    return { add: encoder.add, count: encoder.count, put: (newEvents) => put(encoder, newEvents) }
  }

  const store: WindowStore = {
    pathId,
    keepPaths,
    paths,
    windowBatch,
    putWindows: (windows, newEvents) => {
      const batch = windowBatch()
      batch.add(windows)
      batch.put(newEvents)
    },
    history: createHistory(tables, reader),
    aggregate: createAggregate(tables, () => paths().size, rollUp.rolledUntil, clock),
    meshEvents: events.meshEvents,
    writtenMeshEvents: events.writtenMeshEvents,
  }
  return { store, tables, rollUp, repair }
}
