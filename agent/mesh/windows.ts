/** The windows of all targets of a mesh: what was measured of each since its last window, and when a window closes. */

import type { MeshWindow, MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { secondsToTimestamp } from '../../lib/protobuf-time.ts'
import { UNUSABLE_RTT } from '../engines/engine.ts'
import { WindowColumns } from './window-columns.ts'

/**
 * After a target has had losses for this time, a loss or an answer no longer closes its window early; only a long loss
 * and the answer after it do. A fleet that is dead or lossy must not flood its collector.
 */
const PROMPT_SECONDS = 60

/** From the first to the last of the trailing lost probes: two at one probe a second, whose timer may be early. */
const LONG_LOSS_SECONDS = 0.9

/** Minimum time between two early closes of a target's window. */
const EARLY_CLOSE_INTERVAL_SECONDS = 0.5

/** Round-trip times that still fit after a window asks to be closed because it is nearly full. */
const RESERVED_ROUND_TRIPS = 32

/** Slots that are allocated at first; doubled when they are used up. */
const FIRST_SLOTS = 64

/**
 * Minimum length of a window that another one follows. The store keeps times in milliseconds and stores equal windows
 * once: of two windows of one lost probe that begin in the same millisecond it would lose one.
 */
const MIN_WINDOW_SECONDS = 0.01

type WindowsOptions = {
  /** Maximum round-trip times in a window, over 32. A window that is nearly full closes early. */
  roundTripsPerWindow: number
  windowSeconds: () => number
  /** Some window is to be closed early: `closeEarly` is to be called soon. */
  onEarlyClose: () => void
}

/** The windows that are to close early: after a loss, after the first answer to follow it, or when nearly full. */
class EarlyCloses {
  readonly slots = new Set<number>()
  readonly #store: WindowColumns
  readonly #onEarlyClose: () => void

  constructor(store: WindowColumns, onEarlyClose: () => void) {
    this.#store = store
    this.#onEarlyClose = onEarlyClose
  }

  request(slot: number): void {
    if (this.slots.size === 0) this.#onEarlyClose()
    this.slots.add(slot)
  }

  /** Returns the slots whose last early close is long enough ago; the others wait for the next call. */
  take(now: number): number[] {
    const { earlyClosedAt } = this.#store.columns
    const due = [...this.slots].filter(
      (slot) =>
        !(now - earlyClosedAt[slot]! < EARLY_CLOSE_INTERVAL_SECONDS) &&
        this.#store.lasts(slot, now, MIN_WINDOW_SECONDS),
    )
    for (const slot of due) earlyClosedAt[slot] = now
    return due
  }

  isLongLoss(slot: number): boolean {
    const { lostAt, lossStartedAt } = this.#store.columns
    return lostAt[slot]! - lossStartedAt[slot]! >= LONG_LOSS_SECONDS
  }

  lost(slot: number, now: number): void {
    const { trailingLost, lossySince, lostAt, lossStartedAt } = this.#store.columns
    if (trailingLost[slot] === 0) lossStartedAt[slot] = now
    trailingLost[slot]!++
    if (Number.isNaN(lossySince[slot])) lossySince[slot] = now
    const wasLong = trailingLost[slot]! > 1 && this.isLongLoss(slot)
    lostAt[slot] = now
    const isPrompt = now - lossySince[slot]! < PROMPT_SECONDS
    if ((this.isLongLoss(slot) && !wasLong) || isPrompt) this.request(slot)
  }

  answered(slot: number, now: number): void {
    const { trailingLost, lossySince } = this.#store.columns
    if (trailingLost[slot] === 0) return
    if (this.isLongLoss(slot) || now - lossySince[slot]! < PROMPT_SECONDS) this.request(slot)
    trailingLost[slot] = 0
  }
}

type OpenWindows = {
  store: WindowColumns
  early: EarlyCloses
  /** Why probes of a slot were lost. */
  reasons: Map<number, string>
  windowSeconds(): number
}

/** Closes the windows of these slots. Windows that began at the same time are returned together. */
const closeWindows = (
  { store, early, reasons, windowSeconds }: OpenWindows,
  slots: Iterable<number>,
  now: number,
): MeshWindows[] => {
  const { columns } = store
  const byStart = new Map<number, MeshWindow[]>()
  for (const slot of slots) {
    const startAt = columns.startAt[slot]!
    early.slots.delete(slot)
    // An empty window stays open: an engine may withhold results that it is not sure of. After a whole window
    // without results there is a gap.
    if (columns.sent[slot] === 0 && now - startAt < windowSeconds()) continue
    if (columns.sent[slot]! > 0) {
      const message = store.toMessage(slot, reasons.get(slot) ?? '')
      const together = byStart.get(startAt)
      if (together) together.push(message)
      else byStart.set(startAt, [message])
    }
    store.clearWindow(slot, now)
    reasons.delete(slot)
  }
  const endTime = secondsToTimestamp(now)
  return [...byStart.keys()]
    .sort((a, b) => a - b)
    .map((start) => ({ startTime: secondsToTimestamp(start), endTime, windows: byStart.get(start)! }))
}

/** Times are seconds of the mesh's own clock. A slot is the place of one target, given back with `remove`. */
export const createWindows = ({ roundTripsPerWindow, windowSeconds, onEarlyClose }: WindowsOptions) => {
  const store = new WindowColumns(FIRST_SLOTS, roundTripsPerWindow)
  const early = new EarlyCloses(store, onEarlyClose)
  const freeSlots: number[] = []
  const liveSlots = new Set<number>()
  const reasons = new Map<number, string>()
  let usedSlots = 0

  const close = (slots: Iterable<number>, now: number): MeshWindows[] =>
    closeWindows({ store, early, reasons, windowSeconds }, slots, now)

  return {
    /** Makes room for this number of round-trip times in each window; never reduces it. */
    reserve: (roundTrips: number): void => {
      if (roundTrips > store.roundTrips) store.grow(store.slots, roundTrips)
    },
    /** Returns the slot of a new target. */
    add: (targetId: number, now: number): number => {
      const slot = freeSlots.pop() ?? usedSlots++
      if (slot >= store.slots) store.grow(store.slots * 2, store.roundTrips)
      store.assign(slot, targetId, now)
      reasons.delete(slot)
      liveSlots.add(slot)
      return slot
    },
    /** Closes the last windows of these slots and frees the slots. */
    remove: (slots: Iterable<number>, now: number): MeshWindows[] => {
      const all = [...slots]
      const windows = close(all, now)
      for (const slot of all) if (liveSlots.delete(slot)) freeSlots.push(slot)
      return windows
    },
    /** Records one probe; undefined when it was lost. UNUSABLE_RTT ends a loss: each counted answer has a time. */
    record: (slot: number, rttSeconds: number | undefined, reason: string, now: number): void => {
      const { received, sent } = store.columns
      // The window is full and about to close: a probe that is not counted is better than one counted as lost.
      if (received[slot] === store.roundTrips) return
      if (rttSeconds !== UNUSABLE_RTT) sent[slot]!++
      if (reason !== '') reasons.set(slot, reason)
      if (rttSeconds === undefined) {
        early.lost(slot, now)
        return
      }
      early.answered(slot, now)
      if (rttSeconds === UNUSABLE_RTT) return
      store.addRoundTrip(slot, rttSeconds)
      if (received[slot] === store.roundTrips - RESERVED_ROUND_TRIPS) early.request(slot)
    },
    /** The prober whose results count for this slot; 0 for none. A newer prober takes over from an older one. */
    proberOf: (slot: number): number => store.columns.prober[slot]!,
    setProber: (slot: number, prober: number): void => {
      store.columns.prober[slot] = prober
    },
    /** Measuring starts now: the windows of these slots, where empty, begin now. */
    beginAt: (slots: Iterable<number>, now: number): void => {
      const { sent, startAt } = store.columns
      for (const slot of slots) if (sent[slot] === 0) startAt[slot] = now
    },
    close,
    /** Closes the windows with a pending request. Those that were closed early a moment ago wait for the next call. */
    closeEarly: (now: number): MeshWindows[] => {
      const windows = close(early.take(now), now)
      if (early.slots.size > 0) onEarlyClose()
      return windows
    },
    /**
     * Closes all windows; those that have just begun only when they are the last ones. A target without a loss for a
     * whole window is no longer lossy.
     */
    closeAll: (now: number, isLast = false): MeshWindows[] => {
      const { trailingLost, lostAt, lossySince } = store.columns
      for (const slot of liveSlots) {
        if (trailingLost[slot] === 0 && now - lostAt[slot]! >= windowSeconds()) lossySince[slot] = Number.NaN
      }
      const due = [...liveSlots].filter((slot) => isLast || store.lasts(slot, now, MIN_WINDOW_SECONDS))
      return close(due, now)
    },
  }
}

export type Windows = ReturnType<typeof createWindows>
