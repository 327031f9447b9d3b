import type { Duration } from '#proto/google/protobuf/duration.ts'
import type { Timestamp } from '#proto/google/protobuf/timestamp.ts'
import type { MeshBatch, MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { MAX_INDEX, MIN_INDEX } from '../../../lib/histogram.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import type { Window } from '../../store/windows.ts'
import type { OwnLoad } from './own-load.ts'
import { advance, type Change } from './path-state.ts'
import type { MeshPath, Paths } from './paths.ts'
import type { LostProbe } from './pooled-loss.ts'

/** Lost probes of the last minute, one entry for a window that had some; beyond so many the fleet is worse than lossy. */
const MAX_LOST = 20_000
const LOST_SECONDS = 60
/** Who keeps account of what was measured when is told so often. */
const TELL_MS = 60_000

export const toMilliseconds = (time: Timestamp | undefined): number =>
  time ? time.seconds * 1000 + time.nanos / 1e6 : Number.NaN

const secondsOf = (duration: Duration | undefined): number => fromDuration(duration) ?? 0

/** An agent's figures come over the network: what cannot be is not taken. */
const isSound = (window: MeshWindow): boolean =>
  window.sentCount > 0 &&
  window.receivedCount <= window.sentCount &&
  secondsOf(window.rttMin) >= 0 &&
  secondsOf(window.rttMax) >= secondsOf(window.rttMin) &&
  secondsOf(window.rttSum) >= 0 &&
  secondsOf(window.jitter) >= 0 &&
  window.histogramOffset >= MIN_INDEX &&
  window.histogramOffset + window.histogramCounts.length - 1 <= MAX_INDEX

/**
 * Takes the windows of a batch to the paths they are of: state, last minute, interfaces at both ends. This runs for
 * every window that a fleet sends, so it makes no objects but the window for the store.
 */
export const createIngest = (deps: {
  paths: Paths
  /** Whether the store knows a path that is not probed any more, from this node. */
  isKnown: (id: number, node: string) => boolean
  ownLoad: Pick<OwnLoad, 'touches'>
  onChange: (path: MeshPath, change: Change) => void
  /** A path was answered on; once a minute for each. */
  onMeasured: (path: MeshPath, endMs: number) => void
}) => {
  const { paths } = deps
  let lost: LostProbe[] = []

  const take = (path: MeshPath, seen: MeshWindow, window: Window): void => {
    const { health } = path
    // A batch may come twice; its windows are counted once.
    if (window.endMs <= health.lastEndMs) return
    const isLoaded = deps.ownLoad.touches(path, window.startMs, window.endMs)
    const { change, creditedLost } = advance(health, window, seen.trailingLostCount, {
      intervalSeconds: path.intervalSeconds,
      isLoaded,
    })
    if (seen.reason !== '') path.reason = seen.reason
    else if (health.trailingLost === 0 && seen.receivedCount > 0) path.reason = ''
    paths.recent.add(path.row, window)
    const second = Math.floor(window.endMs / 1000)
    const lostCount = seen.sentCount - seen.receivedCount
    path.from.add('tx', second, seen.sentCount, lostCount, creditedLost)
    path.to.add('rx', second, seen.sentCount, lostCount, creditedLost)
    if (seen.receivedCount > 0) path.from.addTimes(second, window.histogramOffset, window.histogramCounts)
    if (creditedLost > 0 && lost.length < MAX_LOST) {
      const [source, destination] = [path.source.node, path.destination.node]
      const { interface: name } = path.source
      lost.push({ path: path.id, source, destination, interface: name, second, count: creditedLost })
    }
    if (change) deps.onChange(path, change)
    if (seen.receivedCount > 0 && window.endMs - path.toldMs >= TELL_MS) {
      path.toldMs = window.endMs
      deps.onMeasured(path, window.endMs)
    }
  }

  return {
    /** @returns the windows for the store, placed by the collector's clock */
    batch: (node: string, { windows: groups }: MeshBatch, offsetMs: number): Window[] => {
      const taken: Window[] = []
      for (const { startTime, endTime, windows } of groups) {
        const startMs = Math.round(toMilliseconds(startTime) + offsetMs)
        const endMs = Math.round(toMilliseconds(endTime) + offsetMs)
        if (!(endMs >= startMs)) continue
        for (const seen of windows) {
          if (!isSound(seen)) continue
          const path = paths.get(seen.targetId)
          const isOurs = path ? path.source.node === node : deps.isKnown(seen.targetId, node)
          if (!isOurs) continue
          const window = {
            path: seen.targetId,
            startMs,
            endMs,
            sentCount: seen.sentCount,
            receivedCount: seen.receivedCount,
            rttMinSeconds: secondsOf(seen.rttMin),
            rttMaxSeconds: secondsOf(seen.rttMax),
            rttSumSeconds: secondsOf(seen.rttSum),
            jitterSeconds: secondsOf(seen.jitter),
            histogramOffset: seen.histogramOffset,
            histogramCounts: seen.histogramCounts,
          }
          if (path) take(path, seen, window)
          taken.push(window)
        }
      }
      return taken
    },
    /** Lost probes of the last so many seconds, at most 60. */
    lostSince: (nowSecond: number, seconds: number): LostProbe[] => {
      if (lost.length === 0) return lost
      lost = lost.filter(({ second }) => second > nowSecond - LOST_SECONDS)
      return lost.filter(({ second }) => second > nowSecond - seconds)
    },
  }
}

export type Ingest = ReturnType<typeof createIngest>
