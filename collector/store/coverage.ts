/** Maximum time in milliseconds that an agent's clock may be ahead of ours. Later times come from a wrong clock. */
export const MAX_CLOCK_AHEAD_MS = 3_600_000

/** When each pair was last measured. A pair is identified by `pathKey` of inventory/keys.ts. */
export type CoverageStore = {
  /**
   * Returns the Unix milliseconds of the last MEASURED result of each pair of a test (ping or iperf). Pairs that were
   * never measured are absent. Rows are read in pages while the caller iterates, so memory stays bounded.
   */
  coverage(test: string): Iterable<readonly [pair: string, milliseconds: number]>
  /**
   * Adds measurements that were made without a run. An earlier time than the stored one changes nothing. A time more
   * than MAX_CLOCK_AHEAD_MS in the future is ignored, and replaced when it is already stored.
   */
  putCoverage(test: string, measured: Iterable<readonly [pair: string, milliseconds: number]>): void
}
