/**
 * The numbers of the windows of all targets, as columns instead of one object for each target. A fleet is probed
 * thousands of times a second; no probe may allocate memory that the garbage collector has to free.
 */

import type { MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { bucketOf } from '../../lib/histogram.ts'
import { toDuration } from '../../lib/protobuf-time.ts'

/** One value for each slot; a slot is the place of one target. Times are seconds of the mesh's own clock. */
export type Columns = {
  targetId: Uint32Array
  /** The prober whose results count; 0 for none yet. */
  prober: Uint32Array
  startAt: Float64Array
  sent: Uint32Array
  received: Uint32Array
  /** Probes lost since the last answer. */
  trailingLost: Uint32Array
  /** Start of the period with losses; NaN when there is none. */
  lossySince: Float64Array
  lostAt: Float64Array
  /** Time of the first of the trailing lost probes. */
  lossStartedAt: Float64Array
  earlyClosedAt: Float64Array
  min: Float64Array
  max: Float64Array
  sum: Float64Array
  last: Float64Array
  /** Sum and number of the differences between consecutive round-trip times. */
  jitterSum: Float64Array
  jitterCount: Uint32Array
  /** Histogram buckets of the round-trip times of the window, in the order of arrival. */
  buckets: Int16Array
}

const allocate = (slots: number, roundTrips: number): Columns => ({
  targetId: new Uint32Array(slots),
  prober: new Uint32Array(slots),
  startAt: new Float64Array(slots),
  sent: new Uint32Array(slots),
  received: new Uint32Array(slots),
  trailingLost: new Uint32Array(slots),
  lossySince: new Float64Array(slots).fill(Number.NaN),
  lostAt: new Float64Array(slots),
  lossStartedAt: new Float64Array(slots),
  earlyClosedAt: new Float64Array(slots).fill(Number.NEGATIVE_INFINITY),
  min: new Float64Array(slots),
  max: new Float64Array(slots),
  sum: new Float64Array(slots),
  last: new Float64Array(slots).fill(Number.NaN),
  jitterSum: new Float64Array(slots),
  jitterCount: new Uint32Array(slots),
  buckets: new Int16Array(slots * roundTrips),
})

/** Counts of consecutive buckets, from sorted bucket numbers. */
const countsOf = (sorted: Int16Array): number[] => {
  const first = sorted[0]!
  const counts = new Array<number>(sorted[sorted.length - 1]! - first + 1).fill(0)
  for (const bucket of sorted) counts[bucket - first]!++
  return counts
}

/** Columns that grow: `columns` is replaced when they do. */
export class WindowColumns {
  columns: Columns
  slots: number
  /** Maximum number of round-trip times in a window. */
  roundTrips: number

  constructor(slots: number, roundTrips: number) {
    this.slots = slots
    this.roundTrips = roundTrips
    this.columns = allocate(slots, roundTrips)
  }

  grow(slots: number, roundTrips: number): void {
    const larger = allocate(slots, roundTrips)
    for (const name of Object.keys(larger) as (keyof Columns)[]) {
      if (name !== 'buckets') larger[name].set(this.columns[name] as never)
    }
    for (let slot = 0; slot < this.slots; slot++) {
      const from = slot * this.roundTrips
      const buckets = this.columns.buckets.subarray(from, from + this.columns.received[slot]!)
      larger.buckets.set(buckets, slot * roundTrips)
    }
    this.columns = larger
    this.slots = slots
    this.roundTrips = roundTrips
  }

  /** Prepares a slot for a new target. */
  assign(slot: number, targetId: number, now: number): void {
    this.clearWindow(slot, now)
    const { columns } = this
    columns.targetId[slot] = targetId
    columns.prober[slot] = 0
    columns.trailingLost[slot] = 0
    columns.lossySince[slot] = Number.NaN
    columns.earlyClosedAt[slot] = Number.NEGATIVE_INFINITY
    columns.last[slot] = Number.NaN
  }

  /** Whether the window of the slot has lasted this long. */
  lasts(slot: number, now: number, seconds: number): boolean {
    return now - this.columns.startAt[slot]! >= seconds
  }

  clearWindow(slot: number, now: number): void {
    const { startAt, sent, received, sum, jitterSum, jitterCount } = this.columns
    startAt[slot] = now
    sent[slot] = 0
    received[slot] = 0
    sum[slot] = 0
    jitterSum[slot] = 0
    jitterCount[slot] = 0
  }

  addRoundTrip(slot: number, rttSeconds: number): void {
    const { received, min, max, sum, last, jitterSum, jitterCount, buckets } = this.columns
    const before = received[slot]!
    buckets[slot * this.roundTrips + before] = bucketOf(rttSeconds)
    received[slot] = before + 1
    min[slot] = before === 0 ? rttSeconds : Math.min(min[slot]!, rttSeconds)
    max[slot] = before === 0 ? rttSeconds : Math.max(max[slot]!, rttSeconds)
    sum[slot]! += rttSeconds
    if (!Number.isNaN(last[slot])) {
      jitterSum[slot]! += Math.abs(rttSeconds - last[slot]!)
      jitterCount[slot]!++
    }
    last[slot] = rttSeconds
  }

  toMessage(slot: number, reason: string): MeshWindow {
    const { targetId, sent, received, trailingLost, min, max, sum, jitterSum, jitterCount, buckets } =
      this.columns
    const count = received[slot]!
    const from = slot * this.roundTrips
    const sorted = buckets.subarray(from, from + count).sort()
    return {
      targetId: targetId[slot]!,
      sentCount: sent[slot]!,
      receivedCount: count,
      trailingLostCount: trailingLost[slot]!,
      rttMin: count === 0 ? undefined : toDuration(min[slot]!),
      rttMax: count === 0 ? undefined : toDuration(max[slot]!),
      rttSum: count === 0 ? undefined : toDuration(sum[slot]!),
      jitter: jitterCount[slot] === 0 ? undefined : toDuration(jitterSum[slot]! / jitterCount[slot]!),
      histogramOffset: count === 0 ? 0 : sorted[0]!,
      histogramCounts: count === 0 ? [] : countsOf(sorted),
      reason,
    }
  }
}
