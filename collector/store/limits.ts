/** How long each kind of content is kept, in seconds. A finer level is never kept longer than a coarser one. */
export type Retention = { raw: number; fiveMinutes: number; oneHour: number; events: number; runs: number }

/** How long a store keeps its content, and how large it may become. */
export type StoreLimits = {
  retention: Retention
  /** Maximum size of the database with its log, in bytes. Near it, the oldest content of the finest level is removed. */
  maxBytes: number
}

const DAY = 86_400
const GIBIBYTE = 2 ** 30

/**
 * The default limits. A window of 10 s takes about 35 bytes, a 5-minute row 75 bytes and a 1-hour row 100 bytes
 * (test/bench/store.bench.ts). So a path costs 300 kB per day of raw windows, 22 kB per day at 5 minutes and 2.4 kB per
 * day at 1 hour. The full retention fits into the maximum size for about 1,900 paths, such as a full mesh of 44 nodes
 * with one interface. Larger meshes keep the coarse levels and fewer raw windows: a few hours with 20,000 paths.
 */
export const STORE_LIMITS: StoreLimits = {
  retention: { raw: 2 * DAY, fiveMinutes: 30 * DAY, oneHour: 400 * DAY, events: 90 * DAY, runs: 90 * DAY },
  maxBytes: 4 * GIBIBYTE,
}
