import { v4, v7 } from 'uuid'

/** Returns this number of random bytes: `randomBytes` of node:crypto, or those of a seed in a simulation. */
export type RandomBytes = (count: number) => Uint8Array

const UUID_BYTES = 16

/** Returns a random UUID (RFC 9562, version 4). */
export const createId = (randomBytes: RandomBytes): string => v4({ random: randomBytes(UUID_BYTES) })

/** Returns a UUID that is sorted by its time (RFC 9562, version 7). */
export const createTimedId = (randomBytes: RandomBytes, now: Date): string =>
  v7({ random: randomBytes(UUID_BYTES), msecs: now.getTime() })
