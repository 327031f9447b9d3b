import type { MeshEvent, Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Page } from './paging.ts'

/** A directed pair of interfaces with the same name: a path of the ping mesh. */
export type PathKey = { source: string; destination: string; interface: string }

/**
 * What was measured on one path in one interval. Times are Unix milliseconds; round-trip times are seconds, stored with
 * a resolution of 1 ns.
 */
export type Window = {
  /** From `pathId`. */
  path: number
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
  /** This and the other round-trip times are 0 when nothing was received. */
  rttMinSeconds: number
  rttMaxSeconds: number
  rttSumSeconds: number
  /** Mean absolute difference of successive round-trip times. */
  jitterSeconds: number
  /** Exponential histogram of scale 5, as in lib/histogram.ts. */
  histogramOffset: number
  histogramCounts: readonly number[]
}

/**
 * Collects windows in their encoded form until they are written. One second of windows of a large fleet as objects
 * causes long garbage collection pauses; the encoded bytes do not.
 */
export type WindowBatch = {
  add(windows: readonly Window[]): void
  count(): number
  /** Writes the batch, as `putWindows` does. A batch is written once. */
  put(events: readonly MeshEvent[]): void
}

/** Maximum number of windows in a history, as the protocol documents. */
export const MAX_HISTORY_WINDOWS = 20_000

/** The measurements of the ping mesh: raw windows, their 5-minute and 1-hour roll-ups, and events. */
export type WindowStore = {
  /** Returns the permanent number of a path. A new path gets the next number. */
  pathId(key: PathKey): number
  /**
   * Makes new path numbers durable. Needed before a number leaves the process, because its holder may use it after a
   * crash. Otherwise new numbers are written with the first windows that use them.
   * @throws OperatingError STORE_UNAVAILABLE; the numbers stay valid and are written by a later call
   */
  keepPaths(): void
  /** Every path that ever got a number. */
  paths(): ReadonlyMap<number, PathKey>
  /**
   * Adds windows and events in one durable transaction, all or none. A window that equals a stored
   * one in all its fields is ignored, so a batch may arrive twice. A window older than the retention of raw windows is ignored.
   */
  putWindows(windows: readonly Window[], events: readonly MeshEvent[]): void
  /** Returns an empty batch. */
  windowBatch(): WindowBatch
  /**
   * Returns the windows of a path that overlap the interval, oldest first. A window longer than 10 minutes may be
   * missing from an interval in which it did not begin. UNSPECIFIED selects the finest level that covers the whole
   * interval with at most MAX_HISTORY_WINDOWS windows. Windows without a roll-up yet are merged while they are read.
   * @throws OperatingError LIMIT_EXCEEDED when the requested resolution has more windows
   */
  history(
    path: number,
    fromMs: number,
    toMs: number,
    resolution: Resolution,
  ): { resolution: Resolution; windows: Window[] }
  /**
   * Merges all windows of each path in the interval into one. Intervals up to 30 minutes are made of raw windows, up to
   * 6 hours of 5-minute rows, and longer ones of 1-hour rows, which count as a whole even when the interval ends within
   * one. A level that does not cover the interval any more is replaced by the next coarser one. Reads in slices of a few
   * milliseconds and yields to other work in between.
   */
  aggregate(fromMs: number, toMs: number, signal?: AbortSignal): Promise<Map<number, Window>>
  /** Returns events, newest first, optionally of one node. @throws OperatingError SPEC_INVALID for a foreign token */
  meshEvents(
    filter: { node?: string; fromMs: number; toMs: number },
    page: Page,
  ): { events: MeshEvent[]; nextPageToken: string }
  /**
   * Returns all events, the last written first. The order differs from that of the times when the wall clock was set back.
   * @throws OperatingError SPEC_INVALID for a foreign token
   */
  writtenMeshEvents(page: Page): { events: MeshEvent[]; nextPageToken: string }
}
