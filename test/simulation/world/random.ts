import { createRandom, type Random } from '../../../collector/topology/random.ts'

/** Random values of one purpose, such as the delays of the network: more draws for one purpose change no other. */
export type RandomSource = {
  /** From 0 (included) to 1 (excluded). */
  next: Random
  bytes(count: number): Uint8Array
  between(low: number, high: number): number
  integer(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Several different items, in random order. */
  sample<T>(items: readonly T[], count: number): T[]
}

/** FNV-1a, 32 bits. */
const hashText = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash
}

/** The random values of a seed for one purpose. */
export const createRandomSource = (seed: number, purpose: string): RandomSource => {
  const next = createRandom(hashText(`${seed} ${purpose}`))
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)),
    between: (low, high) => low + next() * (high - low),
    integer,
    chance: (probability) => next() < probability,
    pick: (items) => {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[integer(0, items.length - 1)]!
    },
    sample: (items, count) => {
      const left = [...items]
      const chosen = []
      while (chosen.length < count && left.length > 0) {
        chosen.push(...left.splice(integer(0, left.length - 1), 1))
      }
      return chosen
    },
  }
}
