/** One kind of content. Times are Unix milliseconds. */
export type StoreLevel = {
  name: 'runs' | 'raw' | '5m' | '1h' | 'events'
  /** Number of windows, runs or events. Counted on each change, so that reading it is free. */
  rows: number
  /** Undefined when the level is empty. */
  oldestMs: number | undefined
  newestMs: number | undefined
  retentionSeconds: number
}

/** What a store contains, and its size on disk. */
export type StoreInfo = {
  path: string
  schemaVersion: number
  /** Size on disk, the log included. */
  sizeBytes: number
  /** The part of `sizeBytes` that is free for new content. */
  freeBytes: number
  maxBytes: number
  levels: StoreLevel[]
  /** Raw windows that are not sorted by path yet. */
  waitingWindows: number
  /** When old content was last removed. */
  lastExpireMs: number | undefined
}

/** A copy of a store: an SQLite database. */
export type StoreCopy = {
  sizeBytes: number
  /** The copy in pieces; each is read on demand. The copy is deleted when the iteration ends for any reason. */
  pieces(): AsyncIterable<Buffer>
}

/** Roll-ups, retention, size limit and backups. */
export type StoreMaintenance = {
  /**
   * Does one small piece of the work that is due: a part of a roll-up, of expired content or of free pages.
   * @param isOverdue checked after about each row: the piece ends when it returns true, or after a few hundred rows
   * @returns whether more work may be due now
   */
  maintain(now: Date, isOverdue?: () => boolean): boolean
  /**
   * Sets the nodes of the fleet. The coverage of other nodes is removed once it is older than the retention of the
   * measurements. Before the first call nothing is removed.
   */
  setMembers(nodes: ReadonlySet<string>): void
  info(): StoreInfo
  /**
   * Copies the store as it is at one moment, in small steps, while writing continues.
   * @throws OperatingError STORE_UNAVAILABLE when the disk has no space for the copy; the signal's reason
   */
  backup(signal: AbortSignal): Promise<StoreCopy>
}
