/** Numbers from 0 (included) to 1 (excluded). */
export type Random = () => number

/** Mulberry32 (Tommy Ettinger): 32 bits of state, enough to shuffle, the same on every machine for one seed. */
export const createRandom = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Shuffles in place (Fisher and Yates) and returns the same items. */
export const shuffle = <T extends { length: number; [index: number]: number }>(
  items: T,
  random: Random,
): T => {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const item = items[last]!
    items[last] = items[other]!
    items[other] = item
  }
  return items
}
