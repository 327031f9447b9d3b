import type { MeshEvent, Resolution } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Page } from './store.ts'

/** A directed pair of interfaces of the same name, as the ping mesh knows it. */
export type PathKey = { source: string; destination: string; interface: string }

/** What was measured of one path in some time. Times are Unix milliseconds, round-trip times are seconds. */
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

/** How long each level is kept, in seconds. */
export type Retention = { raw: number; fiveMinutes: number; oneHour: number; events: number; runs: number }

/** What is kept of the ping mesh over time: raw windows, and the same as 5 minutes and 1 hour. */
export type WindowStore = {
  /** A small number that stands for a path for ever; a new path gets the next one. */
  pathId(key: PathKey): number
  /** Every path that was ever named. */
  paths(): ReadonlyMap<number, PathKey>
  /**
   * Adds windows and events in one durable transaction, all or none. A window that is there already (same path and
   * start) stays as it is: a batch may come twice.
   */
  putWindows(windows: readonly Window[], events: readonly MeshEvent[]): void
  /** Windows of a path that overlap the time, oldest first. UNSPECIFIED picks the finest level still kept over all of it. */
  history(
    path: number,
    fromMs: number,
    toMs: number,
    resolution: Resolution,
  ): { resolution: Resolution; windows: Window[] }
  /** All that was measured of each path in the time, merged into one window each; from the finest level that covers it. */
  aggregate(fromMs: number, toMs: number): Map<number, Window>
  /** Newest first; of one node when it is given. @throws OperatingError SPEC_INVALID for a foreign token */
  meshEvents(
    filter: { node?: string; fromMs: number; toMs: number },
    page: Page,
  ): { events: MeshEvent[]; nextPageToken: string }
}

/** The store's own upkeep: roll-ups, retention, room. */
export type StoreUpkeep = {
  /**
   * Does one small piece of what is due (a slice of a roll-up, of what is too old, of free pages), bounded to a few
   * milliseconds.
   * @returns whether more is due now
   */
  maintain(now: Date): boolean
}

/** When pairs were last measured. */
export type CoverageStore = {
  /** Unix milliseconds of the last MEASURED result of each pair of a test (ping or iperf); pairs never measured are absent. */
  coverage(test: string): ReadonlyMap<string, number>
}

/** The key of a pair in `coverage`: names have no blanks. */
export const coverageKey = ({ source, destination, interface: name }: PathKey): string =>
  `${source} ${destination} ${name}`

/** Small things that other stages keep, by kind and name: schedules with their counters. */
export type DocumentStore = {
  putDocument(kind: string, name: string, body: Uint8Array): void
  deleteDocument(kind: string, name: string): void
  documents(kind: string): Map<string, Uint8Array>
  /** Made when the store was, and the same ever after: who this collector is to its agents. */
  identity(): string
}
