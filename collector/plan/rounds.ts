import type { Model } from './model.ts'

/** A colouring: the round of each pair, from 0, without gaps. */
export type Rounds = {
  readonly colours: Int32Array
  readonly count: number
}

/** Renumbers arbitrary codes from 0 in their order, without empty rounds. */
export const compactCodes = (codes: Int32Array): Rounds => {
  let largest = -1
  for (let pair = 0; pair < codes.length; pair++) if (codes[pair]! > largest) largest = codes[pair]!
  const numbers = new Int32Array(largest + 1)
  for (let pair = 0; pair < codes.length; pair++) numbers[codes[pair]!] = 1
  let count = 0
  for (let code = 0; code <= largest; code++) if (numbers[code]) numbers[code] = count++
  return { colours: codes.map((code) => numbers[code]!), count }
}

/** Returns all pairs round after round, and where each round starts (a counting sort). */
export const orderOf = ({ colours, count }: Rounds): { order: Int32Array; offsets: Int32Array } => {
  const offsets = new Int32Array(count + 1)
  for (let pair = 0; pair < colours.length; pair++) offsets[colours[pair]! + 1]!++
  for (let round = 0; round < count; round++) offsets[round + 1]! += offsets[round]!
  const next = offsets.slice()
  const order = new Int32Array(colours.length)
  for (let pair = 0; pair < colours.length; pair++) order[next[colours[pair]!]!++] = pair
  return { order, offsets }
}

/** Splits each round of more than `total` pairs into the fewest equal parts. No other cap can be exceeded by this. */
export const splitRounds = (rounds: Rounds, total: number): Rounds => {
  if (total === Number.POSITIVE_INFINITY) return rounds
  const { order, offsets } = orderOf(rounds)
  const colours = new Int32Array(order.length)
  let count = 0
  for (let round = 0; round < rounds.count; round++) {
    const size = offsets[round + 1]! - offsets[round]!
    const parts = Math.ceil(size / total)
    for (let place = 0; place < size; place++) {
      colours[order[offsets[round]! + place]!] = count + Math.floor((place * parts) / size)
    }
    count += parts
  }
  return { colours, count }
}

/** Whether no round exceeds a cap. Needed for candidates that have no proof. */
export const isFeasible = (model: Model, rounds: Rounds): boolean => {
  const { order, offsets } = orderOf(rounds)
  const used = new Int32Array(model.resourceCount)
  const seenIn = new Int32Array(model.resourceCount).fill(-1)
  for (let round = 0; round < rounds.count; round++) {
    for (let place = offsets[round]!; place < offsets[round + 1]!; place++) {
      const at = order[place]! * model.width
      for (let slot = at; slot < at + model.width; slot++) {
        const resource = model.resources[slot]!
        if (resource < 0) continue
        if (seenIn[resource] !== round) {
          seenIn[resource] = round
          used[resource] = 0
        }
        if (++used[resource]! > model.caps[resource]!) return false
      }
    }
  }
  return true
}
