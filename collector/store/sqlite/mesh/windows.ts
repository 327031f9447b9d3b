import type { Window, WindowStore } from '../../windows.ts'
import type { Access } from '../access.ts'
import { createAggregate } from './aggregate.ts'
import { createWriter, type Writer, writeSum } from './codec.ts'
import { createEvents } from './events.ts'
import { createHistory, keptFrom } from './history.ts'
import { bucketAt, keyOf, RAW } from './levels.ts'
import { createPaths } from './paths.ts'
import { createReading } from './reading.ts'
import { createRollUp, type RollUp } from './roll-up.ts'
import { sumOf } from './sum.ts'
import { createTables, type Tables } from './tables.ts'

/** The rows of `fresh` that windows become: by minute, each window behind its path. */
const encodeByMinute = (
  windows: readonly Window[],
  keptFromMs: number,
): { bodies: Map<number, Writer>; longestMs: number } => {
  const bodies = new Map<number, Writer>()
  let longestMs = 0
  for (const window of windows) {
    const sum = sumOf(window)
    // So late that its minute has been removed already.
    if (sum.startMs < keptFromMs) continue
    const minute = bucketAt(RAW, sum.startMs)
    const writer = bodies.get(minute) ?? createWriter(4096)
    bodies.set(minute, writer)
    writer.varint(window.path)
    writeSum(writer, sum, minute * RAW.spanMs)
    longestMs = Math.max(longestMs, sum.endMs - sum.startMs)
  }
  return { bodies, longestMs }
}

export const createWindowStore = (access: Access): { store: WindowStore; tables: Tables; rollUp: RollUp } => {
  const tables = createTables(access)
  const { figures } = access
  const { pathId, paths, save, saved } = createPaths(access)
  const events = createEvents(access)
  const reading = createReading(tables)
  const rollUp = createRollUp(tables, reading)

  const store: WindowStore = {
    pathId,
    paths,
    putWindows: (windows, newEvents) => {
      if (windows.length === 0 && newEvents.length === 0) return
      const { bodies, longestMs } = encodeByMinute(windows, keptFrom(access, RAW))
      access.write(() => {
        save()
        for (const [minute, writer] of bodies) {
          tables.fresh.insert.run(keyOf(minute, tables.nextFresh()), writer.bytes())
        }
        if (longestMs > figures.get('longest_window')) figures.set('longest_window', longestMs)
        events.put(newEvents)
      })
      saved()
      for (const [minute, writer] of bodies) tables.liveMinute(minute).absorb(writer.bytes())
    },
    history: createHistory(tables, reading),
    aggregate: createAggregate(tables, { size: () => paths().size }, rollUp.rolledUntil),
    meshEvents: events.meshEvents,
  }
  return { store, tables, rollUp }
}
