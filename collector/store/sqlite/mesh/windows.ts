import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Clock } from '../../../../lib/clock.ts'
import type { Window, WindowParcel, WindowStore } from '../../windows.ts'
import type { Access } from '../access.ts'
import { createAggregate } from './aggregate.ts'
import { createWriter, type Writer, writeSum } from './codec.ts'
import { createEvents } from './events.ts'
import { createHistory, keptFrom } from './history.ts'
import { bucketAt, keyOf, RAW } from './levels.ts'
import { createPaths } from './paths.ts'
import { createReading } from './reading.ts'
import { createRepair } from './repair.ts'
import { createRollUp, type RollUp } from './roll-up.ts'
import { sumOf } from './sum.ts'
import { createTables, type Tables } from './tables.ts'

/**
 * The rows of `fresh` that windows become: by minute, each window behind its path.
 * @param keptFromMs what is older has been removed already
 */
const createEncoder = (keptFromMs: () => number) => {
  const bodies = new Map<number, Writer>()
  let count = 0
  let longestMs = 0
  return {
    add: (windows: readonly Window[]): void => {
      const oldestMs = keptFromMs()
      count += windows.length
      for (const window of windows) {
        const sum = sumOf(window)
        if (sum.startMs < oldestMs) continue
        const minute = bucketAt(RAW, sum.startMs)
        const writer = bodies.get(minute) ?? createWriter(4096)
        bodies.set(minute, writer)
        writer.varint(window.path)
        writeSum(writer, sum, minute * RAW.spanMs)
        longestMs = Math.max(longestMs, sum.endMs - sum.startMs)
      }
    },
    count: () => count,
    /** Without what became too old while it waited. */
    bodies: (): [minute: number, body: Uint8Array][] => {
      const oldest = bucketAt(RAW, keptFromMs())
      return [...bodies].flatMap(([minute, writer]) => (minute < oldest ? [] : [[minute, writer.bytes()]]))
    },
    longestMs: () => longestMs,
  }
}

export const createWindowStore = (
  access: Access,
  {
    clock,
    onDamaged,
  }: {
    clock: Pick<Clock, 'monotonicSeconds' | 'yield'>
    onDamaged: (level: string, timeMs: number) => void
  },
): { store: WindowStore; tables: Tables; rollUp: RollUp; repair: () => boolean } => {
  const tables = createTables(access, onDamaged)
  const { figures } = access
  const { pathId, keepPaths, paths, save, saved } = createPaths(access)
  const events = createEvents(access)
  const reading = createReading(tables)
  const rollUp = createRollUp(tables, reading)
  const repair = createRepair(tables, (level) => keptFrom(access, level), onDamaged)

  const put = (windows: ReturnType<typeof createEncoder>, newEvents: readonly MeshEvent[]): void => {
    if (windows.count() === 0 && newEvents.length === 0) return
    const bodies = windows.bodies()
    access.write(() => {
      save()
      for (const [minute, body] of bodies) {
        tables.fresh.insert.run(keyOf(minute, tables.nextFresh()), body)
      }
      if (windows.longestMs() > figures.get('longest_window')) {
        figures.set('longest_window', windows.longestMs())
      }
      events.put(newEvents)
    })
    saved()
    for (const [minute, body] of bodies) tables.liveMinute(minute).absorb(body)
  }
  const parcel = (): WindowParcel => {
    const encoder = createEncoder(() => keptFrom(access, RAW))
    return { add: encoder.add, count: encoder.count, put: (newEvents) => put(encoder, newEvents) }
  }

  const store: WindowStore = {
    pathId,
    keepPaths,
    paths,
    parcel,
    putWindows: (windows, newEvents) => {
      const own = parcel()
      own.add(windows)
      own.put(newEvents)
    },
    history: createHistory(tables, reading),
    aggregate: createAggregate(tables, { size: () => paths().size }, rollUp.rolledUntil, clock),
    meshEvents: events.meshEvents,
  }
  return { store, tables, rollUp, repair }
}
