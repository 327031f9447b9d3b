/**
 * What was measured of every target of a mesh since its last window. Columns of numbers instead of objects: a fleet is
 * probed thousands of times a second, and none of those probes should leave anything behind for the collector of garbage.
 */

import type { MeshWindow, MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { bucketOf } from '../../lib/histogram.ts'
import { secondsToTimestamp } from '../../lib/protobuf-time.ts'

/**
 * After a target has been bad for so long, not every loss and answer of it is news any more, only a long row of losses
 * and the answer after it: a fleet that is dead or lossy must not flood its collector.
 */
const PROMPT_SECONDS = 60

/** From the first to the last of a long row of lost probes: two of them at a probe a second, whose timer may be early. */
const LONG_ROW_SECONDS = 0.9

/** News of a target that is probed more often than this are told together. */
const TOLD_EVERY_SECONDS = 0.5

/**
 * A window lasts at least this long before the next one begins: the store keeps times in milliseconds and has one window
 * of a path for each start.
 */
const SHORTEST_SECONDS = 0.01

/** Round-trip times that still find room while the end of a window that is nearly full is on the way. */
const ENDING_ROUND_TRIPS = 32

/** Slots that room is made for at first; doubled when they are used up. */
const FIRST_SLOTS = 64

type Columns = {
  targetId: Uint32Array
  /** The prober whose results count; 0 for none yet. */
  owner: Uint32Array
  startAt: Float64Array
  sent: Uint32Array
  received: Uint32Array
  trailing: Uint32Array
  badSince: Float64Array
  lostAt: Float64Array
  /** When the present row of lost probes began. */
  rowAt: Float64Array
  /** When its news were told last. */
  toldAt: Float64Array
  min: Float64Array
  max: Float64Array
  sum: Float64Array
  last: Float64Array
  steps: Float64Array
  stepCount: Uint32Array
  /** The histogram's buckets of the round-trip times of this window, one after the other. */
  buckets: Int16Array
}

const allocate = (length: number, bucketsPerSlot: number): Columns => ({
  targetId: new Uint32Array(length),
  owner: new Uint32Array(length),
  startAt: new Float64Array(length),
  sent: new Uint32Array(length),
  received: new Uint32Array(length),
  trailing: new Uint32Array(length),
  badSince: new Float64Array(length).fill(Number.NaN),
  lostAt: new Float64Array(length),
  rowAt: new Float64Array(length),
  toldAt: new Float64Array(length).fill(Number.NEGATIVE_INFINITY),
  min: new Float64Array(length),
  max: new Float64Array(length),
  sum: new Float64Array(length),
  last: new Float64Array(length).fill(Number.NaN),
  steps: new Float64Array(length),
  stepCount: new Uint32Array(length),
  buckets: new Int16Array(length * bucketsPerSlot),
})

/** Counts of consecutive buckets from the sorted numbers of buckets. */
const countsOf = (sorted: Int16Array): number[] => {
  const first = sorted[0]!
  const counts = new Array<number>(sorted[sorted.length - 1]! - first + 1).fill(0)
  for (const bucket of sorted) counts[bucket - first]!++
  return counts
}

type WindowsOptions = {
  /** Most round-trip times that a window holds, over 32; it ends early when it is nearly full. */
  roundTripsPerWindow: number
  windowSeconds: () => number
  /** A target has lost a probe, or has come back: `closeNews` is to be called soon. */
  onNews: () => void
}

/** Times are seconds of the mesh's own clock. A slot is a target's place, given back with `remove`. */
export const createWindows = ({ roundTripsPerWindow, windowSeconds, onNews }: WindowsOptions) => {
  let length = FIRST_SLOTS
  let room = roundTripsPerWindow
  let columns = allocate(length, room)
  const free: number[] = []
  const live = new Set<number>()
  const reasons = new Map<number, string>()
  const news = new Set<number>()
  let used = 0

  const grow = (slots: number, roundTrips: number) => {
    const larger = allocate(slots, roundTrips)
    for (const name of Object.keys(larger) as (keyof Columns)[]) {
      if (name !== 'buckets') larger[name].set(columns[name] as never)
    }
    for (let slot = 0; slot < length; slot++) {
      const own = columns.buckets.subarray(slot * room, slot * room + columns.received[slot]!)
      larger.buckets.set(own, slot * roundTrips)
    }
    columns = larger
    length = slots
    room = roundTrips
  }
  const tell = (slot: number) => {
    if (news.size === 0) onNews()
    news.add(slot)
  }
  const isLongEnough = (slot: number, now: number): boolean =>
    now - columns.startAt[slot]! >= SHORTEST_SECONDS
  const isLongRow = (slot: number): boolean =>
    columns.lostAt[slot]! - columns.rowAt[slot]! >= LONG_ROW_SECONDS
  const lose = (slot: number, now: number) => {
    const { trailing, badSince, lostAt, rowAt } = columns
    if (trailing[slot] === 0) rowAt[slot] = now
    trailing[slot]!++
    if (Number.isNaN(badSince[slot])) badSince[slot] = now
    const wasLong = trailing[slot]! > 1 && isLongRow(slot)
    lostAt[slot] = now
    if ((isLongRow(slot) && !wasLong) || now - badSince[slot]! < PROMPT_SECONDS) tell(slot)
  }
  const comeBack = (slot: number, now: number) => {
    const { trailing, badSince } = columns
    if (isLongRow(slot) || now - badSince[slot]! < PROMPT_SECONDS) tell(slot)
    trailing[slot] = 0
  }
  const receive = (slot: number, rttSeconds: number, now: number) => {
    const { received, trailing, min, max, sum, last, steps, stepCount, buckets } = columns
    if (trailing[slot]! > 0) comeBack(slot, now)
    const before = received[slot]!
    buckets[slot * room + before] = bucketOf(rttSeconds)
    received[slot] = before + 1
    min[slot] = before === 0 ? rttSeconds : Math.min(min[slot]!, rttSeconds)
    max[slot] = before === 0 ? rttSeconds : Math.max(max[slot]!, rttSeconds)
    sum[slot]! += rttSeconds
    if (!Number.isNaN(last[slot])) {
      steps[slot]! += Math.abs(rttSeconds - last[slot]!)
      stepCount[slot]!++
    }
    last[slot] = rttSeconds
    if (before + 1 === room - ENDING_ROUND_TRIPS) tell(slot)
  }
  const clear = (slot: number, now: number) => {
    const { startAt, sent, received, sum, steps, stepCount } = columns
    startAt[slot] = now
    sent[slot] = 0
    received[slot] = 0
    sum[slot] = 0
    steps[slot] = 0
    stepCount[slot] = 0
    reasons.delete(slot)
  }
  const toMessage = (slot: number): MeshWindow => {
    const { targetId, sent, received, trailing, min, max, sum, steps, stepCount, buckets } = columns
    const count = received[slot]!
    const from = slot * room
    const sorted = buckets.subarray(from, from + count).sort()
    return {
      targetId: targetId[slot]!,
      sentCount: sent[slot]!,
      receivedCount: count,
      trailingLostCount: trailing[slot]!,
      rttMinSeconds: count === 0 ? 0 : min[slot]!,
      rttMaxSeconds: count === 0 ? 0 : max[slot]!,
      rttSumSeconds: sum[slot]!,
      jitterSeconds: stepCount[slot] === 0 ? 0 : steps[slot]! / stepCount[slot]!,
      histogramOffset: count === 0 ? 0 : sorted[0]!,
      histogramCounts: count === 0 ? [] : countsOf(sorted),
      reason: reasons.get(slot) ?? '',
    }
  }
  /** Ends the windows of these slots; windows that began together are told together. */
  const close = (slots: Iterable<number>, now: number): MeshWindows[] => {
    const byStart = new Map<number, MeshWindow[]>()
    for (const slot of slots) {
      const startAt = columns.startAt[slot]!
      news.delete(slot)
      // While an engine holds back what it is not sure of, the record has no gap: the next window has that time too.
      if (columns.sent[slot] === 0 && now - startAt < windowSeconds()) continue
      if (columns.sent[slot]! > 0) {
        const together = byStart.get(startAt)
        if (together) together.push(toMessage(slot))
        else byStart.set(startAt, [toMessage(slot)])
      }
      clear(slot, now)
    }
    const endTime = secondsToTimestamp(now)
    return [...byStart.keys()]
      .sort((a, b) => a - b)
      .map((start) => ({ startTime: secondsToTimestamp(start), endTime, windows: byStart.get(start)! }))
  }

  return {
    /** Windows hold so many round-trip times from now on, or as many as they did if that is more. */
    makeRoom: (roundTrips: number): void => {
      if (roundTrips > room) grow(length, roundTrips)
    },
    add: (targetId: number, now: number): number => {
      const slot = free.pop() ?? used++
      if (slot >= length) grow(length * 2, room)
      clear(slot, now)
      columns.targetId[slot] = targetId
      columns.owner[slot] = 0
      columns.trailing[slot] = 0
      columns.badSince[slot] = Number.NaN
      columns.toldAt[slot] = Number.NEGATIVE_INFINITY
      columns.last[slot] = Number.NaN
      live.add(slot)
      return slot
    },
    /** Ends the last windows of these slots and frees them. */
    remove: (slots: Iterable<number>, now: number): MeshWindows[] => {
      const all = [...slots]
      const windows = close(all, now)
      for (const slot of all) if (live.delete(slot)) free.push(slot)
      return windows
    },
    /** One probe; `rttSeconds` is undefined when it was lost. */
    record: (slot: number, rttSeconds: number | undefined, reason: string, now: number): void => {
      // Its end is on the way; a probe too many is not counted, which is better than counted as lost.
      if (columns.received[slot] === room) return
      columns.sent[slot]!++
      if (reason !== '') reasons.set(slot, reason)
      if (rttSeconds === undefined) lose(slot, now)
      else receive(slot, rttSeconds, now)
    },
    /** Who measures this slot. A younger prober has the right of way over an older one. */
    ownerOf: (slot: number): number => columns.owner[slot]!,
    own: (slot: number, prober: number): void => {
      columns.owner[slot] = prober
    },
    /** Nothing was measured of these slots until now: their windows, if empty, begin now. */
    beginAt: (slots: Iterable<number>, now: number): void => {
      for (const slot of slots) if (columns.sent[slot] === 0) columns.startAt[slot] = now
    },
    close,
    /** Ends the windows that have news in them; those of targets that were just told of wait for the next call. */
    closeNews: (now: number): MeshWindows[] => {
      const due = [...news].filter(
        (slot) => !(now - columns.toldAt[slot]! < TOLD_EVERY_SECONDS) && isLongEnough(slot, now),
      )
      for (const slot of due) columns.toldAt[slot] = now
      const windows = close(due, now)
      if (news.size > 0) onNews()
      return windows
    },
    /**
     * Ends all windows, and forgets the badness of targets that have been well for a whole one. Windows that have just
     * begun end with the next call, unless these are the last ones.
     */
    closeAll: (now: number, isLast = false): MeshWindows[] => {
      const { trailing, lostAt, badSince } = columns
      for (const slot of live) {
        if (trailing[slot] === 0 && now - lostAt[slot]! >= windowSeconds()) badSince[slot] = Number.NaN
      }
      return close(
        [...live].filter((slot) => isLast || isLongEnough(slot, now)),
        now,
      )
    },
  }
}

export type Windows = ReturnType<typeof createWindows>
