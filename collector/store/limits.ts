import type { Retention } from './windows.ts'

/** How long and how much a store keeps. */
export type StoreLimits = {
  retention: Retention
  /** Of the file with its log; what is oldest of the finest level goes first when it is reached. */
  maxBytes: number
}

const DAY = 86_400
const GIBIBYTE = 2 ** 30

/**
 * A window of 10 s takes about 35 bytes, a row of 5 minutes 75 and one of an hour 100 (test/bench/store.bench.ts). So a
 * path costs 300 kB a day raw, 22 kB at 5 minutes and 2.4 kB at an hour, and all of this time fits the bound for about
 * 1,900 paths, such as a full mesh of 44 nodes on one interface. Larger meshes keep the coarse levels and less of the
 * raw windows: 20,000 paths some hours.
 */
export const STORE_LIMITS: StoreLimits = {
  retention: { raw: 2 * DAY, fiveMinutes: 30 * DAY, oneHour: 400 * DAY, events: 90 * DAY, runs: 90 * DAY },
  maxBytes: 4 * GIBIBYTE,
}
