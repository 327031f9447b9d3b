import type { Duration } from '#proto/google/protobuf/duration.ts'
import type { MeshBatch, MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { MAX_INDEX, MIN_INDEX } from '../../../lib/histogram.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import type { Window } from '../../store/windows.ts'
import { toMilliseconds } from '../agents/agent-clock.ts'
import type { LossRecord } from './loss-record.ts'
import { advance, type Change } from './path-state.ts'
import type { MeshPath, Paths } from './paths.ts'
import type { LostProbe } from './pooled-loss.ts'
import type { RunLoad } from './run-load.ts'

/** Bound of the lost probes in memory, one entry per window with losses. With more, the paths themselves are bad. */
const MAX_LOST = 20_000
const LOST_SECONDS = 60
/** Minimum time between two calls of `onMeasured` for a path. */
const REPORT_MS = 60_000

const secondsOf = (duration: Duration | undefined): number => fromDuration(duration) ?? 0

/** Most probes in one window: one hour at 100 probes a second. */
const MAX_PROBES = 360_000
/** No engine waits longer than one hour for an answer. */
const MAX_RTT_SECONDS = 3600

const sumOf = (counts: readonly number[]): number => {
  let sum = 0
  for (const count of counts) sum += count
  return sum
}

const isDuration = (duration: Duration | undefined, mostSeconds: number): boolean => {
  const seconds = secondsOf(duration)
  return seconds >= 0 && seconds <= mostSeconds
}

/**
 * Figures of an agent come over the network: impossible ones are ignored. The upper bounds also limit the time that a
 * window can take here and in the store.
 */
const isPlausible = (window: MeshWindow): boolean =>
  window.sentCount > 0 &&
  window.sentCount <= MAX_PROBES &&
  window.receivedCount <= window.sentCount &&
  isDuration(window.rttMin, MAX_RTT_SECONDS) &&
  isDuration(window.rttMax, MAX_RTT_SECONDS) &&
  secondsOf(window.rttMax) >= secondsOf(window.rttMin) &&
  isDuration(window.rttSum, MAX_RTT_SECONDS * window.sentCount) &&
  isDuration(window.jitter, MAX_RTT_SECONDS) &&
  window.histogramOffset >= MIN_INDEX &&
  window.histogramOffset + window.histogramCounts.length - 1 <= MAX_INDEX &&
  sumOf(window.histogramCounts) === window.receivedCount

type Deps = {
  paths: Paths
  /** Returns whether the store knows a path, no longer probed, from this node. */
  isKnown: (id: number, node: string) => boolean
  runLoad: Pick<RunLoad, 'overlaps'>
  losses: Pick<LossRecord, 'add'>
  onChange: (path: MeshPath, change: Change) => void
  /** A probe of the path was answered; at most once a minute for each path. */
  onMeasured: (path: MeshPath, endMs: number) => void
}

/**
 * Adds the windows of a batch to the state of their paths and interfaces. This runs for every window of the fleet, so
 * it allocates no objects except the window for the store.
 */
export const createIngest = (deps: Deps) => {
  const { paths } = deps
  let lost: LostProbe[] = []

  const addLost = ({ id, source, destination }: MeshPath, second: number, count: number): void => {
    if (count === 0 || lost.length >= MAX_LOST) return
    const ends = { source: source.node, destination: destination.node, interface: source.interface }
    lost.push({ path: id, ...ends, second, count })
  }

  const update = (path: MeshPath, received: MeshWindow, window: Window): void => {
    const { health } = path
    // An agent may send a batch twice; its windows are counted once.
    if (window.endMs <= health.lastEndMs) return
    const isLoaded = deps.runLoad.overlaps(path, window.startMs, window.endMs)
    const { change, confirmedLost } = advance(health, window, received.trailingLostCount, {
      intervalSeconds: path.intervalSeconds,
      isLoaded,
    })
    if (received.reason !== '') path.reason = received.reason
    else if (health.trailingLost === 0 && received.receivedCount > 0) path.reason = ''
    paths.recent.add(path.row, window)
    const second = Math.floor(window.endMs / 1000)
    const { sentCount, receivedCount } = received
    const lostCount = sentCount - receivedCount
    path.sourceWindow.add('tx', second, sentCount, lostCount, confirmedLost)
    path.destinationWindow.add('rx', second, sentCount, lostCount, confirmedLost)
    if (receivedCount > 0) path.sourceWindow.addTimes(second, window.histogramOffset, window.histogramCounts)
    addLost(path, second, confirmedLost)
    if (!isLoaded)
      deps.losses.add(path.id, { startMs: window.startMs, endMs: window.endMs, sentCount, lostCount })
    if (change) deps.onChange(path, change)
    if (receivedCount > 0 && window.endMs - path.reportedMs >= REPORT_MS) {
      path.reportedMs = window.endMs
      deps.onMeasured(path, window.endMs)
    }
  }

  return {
    /** @returns the windows for the store, in mesh time */
    batch: (node: string, { windows: groups }: MeshBatch, offsetMs: number): Window[] => {
      const accepted: Window[] = []
      for (const { startTime, endTime, windows } of groups) {
        const startMs = Math.round(toMilliseconds(startTime) + offsetMs)
        const endMs = Math.round(toMilliseconds(endTime) + offsetMs)
        if (!(endMs >= startMs)) continue
        for (const received of windows) {
          if (!isPlausible(received)) continue
          const path = paths.get(received.targetId)
          const isOfNode = path ? path.source.node === node : deps.isKnown(received.targetId, node)
          if (!isOfNode) continue
          const window = {
            path: received.targetId,
            startMs,
            endMs,
            sentCount: received.sentCount,
            receivedCount: received.receivedCount,
            rttMinSeconds: secondsOf(received.rttMin),
            rttMaxSeconds: secondsOf(received.rttMax),
            rttSumSeconds: secondsOf(received.rttSum),
            jitterSeconds: secondsOf(received.jitter),
            histogramOffset: received.histogramOffset,
            histogramCounts: received.histogramCounts,
          }
          if (path) update(path, received, window)
          accepted.push(window)
        }
      }
      return accepted
    },
    /** Returns the confirmed lost probes of the last `seconds`, at most 60. */
    lostSince: (nowSecond: number, seconds: number): LostProbe[] => {
      if (lost.length === 0) return lost
      lost = lost.filter(({ second }) => second > nowSecond - LOST_SECONDS)
      return lost.filter(({ second }) => second > nowSecond - seconds)
    },
  }
}

export type Ingest = ReturnType<typeof createIngest>
