import type { MeshEvent, Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Page } from './page.ts'

/** A directed pair of interfaces of the same name, as the ping mesh knows it. */
export type PathKey = { source: string; destination: string; interface: string }

/**
 * What was measured of one path in some time. Times are Unix milliseconds; round-trip times are seconds and kept to the
 * nanosecond.
 */
export type Window = {
  /** From `pathId`. */
  path: number
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
  /** 0 when nothing was received, as the other times. */
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
 * Windows on their way into a store, as the bytes that they will be there: a second's windows of a large fleet as objects
 * are what makes a garbage collector's pauses long.
 */
export type WindowParcel = {
  add(windows: readonly Window[]): void
  count(): number
  /** As `putWindows`, of all that was added. */
  put(events: readonly MeshEvent[]): void
}

/** What a history has at most, as the protocol promises. */
export const MAX_HISTORY_WINDOWS = 20_000

/** How long each level is kept, in seconds. What is finer is not kept longer than what is coarser. */
export type Retention = { raw: number; fiveMinutes: number; oneHour: number; events: number; runs: number }

/** What is kept of the ping mesh over time: raw windows, and the same as 5 minutes and 1 hour. */
export type WindowStore = {
  /** A small number that stands for a path for ever once it is kept; a new path gets the next one. */
  pathId(key: PathKey): number
  /**
   * Makes the numbers durable that were given since: whoever is told of a number may come back with it after a crash.
   * Without it they are kept with the first windows that are put.
   * @throws OperatingError STORE_UNAVAILABLE; the numbers stay as they are, to be kept another time
   */
  keepPaths(): void
  /** Every path that was ever named. */
  paths(): ReadonlyMap<number, PathKey>
  /**
   * Adds windows and events in one durable transaction, all or none. A window that is there already (same path and
   * start) stays as it is: a batch may come twice. One that is older than what is kept of raw windows is left out.
   */
  putWindows(windows: readonly Window[], events: readonly MeshEvent[]): void
  /** An empty parcel; once it was put there is no more use for it. */
  parcel(): WindowParcel
  /**
   * Windows of a path that overlap the time, oldest first; one that is longer than 10 minutes may be left out of a time
   * in which it did not begin. UNSPECIFIED picks the finest level still kept over all of it
   * that has no more than MAX_HISTORY_WINDOWS there. What is not rolled up yet is merged as it is read.
   * @throws OperatingError LIMIT_EXCEEDED when there are more at the resolution that was asked for
   */
  history(
    path: number,
    fromMs: number,
    toMs: number,
    resolution: Resolution,
  ): { resolution: Resolution; windows: Window[] }
  /**
   * All that was measured of each path in the time, merged into one window each. Up to 30 minutes it is made of raw
   * windows, up to 6 hours of 5 minutes, else of hours, which count whole where the time ends within one; a time that a
   * level no longer covers comes from the next. Read in slices of a few milliseconds, others have their turn between.
   */
  aggregate(fromMs: number, toMs: number, signal?: AbortSignal): Promise<Map<number, Window>>
  /** Newest first; of one node when it is given. @throws OperatingError SPEC_INVALID for a foreign token */
  meshEvents(
    filter: { node?: string; fromMs: number; toMs: number },
    page: Page,
  ): { events: MeshEvent[]; nextPageToken: string }
}

/** One kind of content. Times are Unix milliseconds. */
export type StoreLevel = {
  name: 'runs' | 'raw' | '5m' | '1h' | 'events'
  /** Counted as they come and go, so that asking costs nothing: windows, runs or events. */
  rows: number
  /** Undefined when there is none. */
  oldestMs: number | undefined
  newestMs: number | undefined
  retentionSeconds: number
}

/** What a store keeps, and the room that it takes. */
export type StoreInfo = {
  path: string
  schemaVersion: number
  /** On disk, the log included. */
  sizeBytes: number
  /** Of this, what is free inside for what comes. */
  freeBytes: number
  maxBytes: number
  levels: StoreLevel[]
  /** Raw windows that wait to be sorted by path. */
  waitingWindows: number
  /** When old content was last removed. */
  lastExpireMs: number | undefined
}

/** A copy of a store: an SQLite database. */
export type StoreCopy = {
  sizeBytes: number
  /** The copy piece by piece; each is read when it is asked for. It is gone when this ends, however it ends. */
  pieces(): AsyncIterable<Buffer>
}

/** The store's own upkeep: roll-ups, retention, room. */
export type StoreUpkeep = {
  /**
   * Does one small piece of what is due (a slice of a roll-up, of what is too old, of free pages).
   * @param isOverdue asked after each row or so: the piece ends where it says so, else after some hundred rows
   * @returns whether more may be due now
   */
  maintain(now: Date, isOverdue?: () => boolean): boolean
  /**
   * Says which nodes are in the fleet: what is known of others for longer than what was measured of them is removed.
   * Until it is said, nothing is.
   */
  setMembers(nodes: ReadonlySet<string>): void
  info(): StoreInfo
  /**
   * Copies the store as it is at one moment, in small steps, while writing goes on.
   * @throws OperatingError STORE_UNAVAILABLE when there is no room for the copy beside the store; the signal's reason
   */
  backup(signal: AbortSignal): Promise<StoreCopy>
}

/** Agents' clocks may be ahead of ours by so much; what is later was measured while a clock was wrong. */
export const AHEAD_MS = 3_600_000

/** When pairs were last measured. */
export type CoverageStore = {
  /**
   * Unix milliseconds of the last MEASURED result of each pair of a test (ping or iperf); pairs never measured are absent.
   * Read in pages as it is gone through, so that it need not be in memory at once.
   */
  coverage(test: string): Iterable<readonly [pair: string, milliseconds: number]>
  /**
   * Adds what was measured by other means than runs; an earlier time than the one that is there changes nothing, and one
   * that is more than AHEAD_MS from now counts as none, whether it comes or is there.
   */
  putCoverage(test: string, measured: Iterable<readonly [pair: string, milliseconds: number]>): void
}

/** The key of a pair in `coverage`: names have no blanks. */
export const coverageKey = ({ source, destination, interface: name }: PathKey): string =>
  `${source} ${destination} ${name}`

export type StoredDocument = { kind: string; name: string; body: Uint8Array }

/** Small things that other stages keep, by kind and name: schedules with their counters. */
export type DocumentStore = {
  /** All of them in one transaction, or none. */
  putDocuments(documents: readonly StoredDocument[]): void
  deleteDocument(kind: string, name: string): void
  documents(kind: string): Map<string, Uint8Array>
  /** Made when the store was, and the same ever after: who this collector is to its agents. */
  identity(): string
}
