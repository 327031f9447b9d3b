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
 * A window takes about 30 bytes, a row of 5 minutes 60 and one of an hour 80 to 150. With windows of 10 s a path costs
 * 260 kB a day raw, 17 kB at 5 minutes and 3 kB at an hour: all of this fits the bound for about 1,800 paths, such as
 * a full mesh of 42 nodes on one interface. Larger meshes keep the coarse levels and less of the raw windows.
 */
export const STORE_LIMITS: StoreLimits = {
  retention: { raw: 2 * DAY, fiveMinutes: 30 * DAY, oneHour: 400 * DAY, events: 90 * DAY, runs: 90 * DAY },
  maxBytes: 4 * GIBIBYTE,
}
