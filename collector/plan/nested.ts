import type { Rounds } from './rounds.ts'

/**
 * Nested caps: an interface is part of its node, and a node is part of the total. For such caps max(ceil(load / cap))
 * rounds are always enough (two laminar families are totally unimodular, so that a fractional plan can be rounded: Baum
 * and Trotter 1978). The rounds are found by balancing two of them at a time, as McDiarmid 1972 does for matchings.
 */
export type Level = {
  /** The resource that each pair uses at this level. */
  readonly resources: Int32Array
  readonly resourceCount: number
  /** Units of each resource in a round. */
  readonly cap: number
}

export type NestedCaps = {
  /** From the innermost level to the outermost. */
  readonly senders: readonly Level[]
  readonly receivers: readonly Level[]
}

type State = {
  readonly caps: NestedCaps
  readonly levels: readonly Level[]
  readonly roundCount: number
  readonly members: number[][]
  /** For each level, units of a resource in a round, at resource * roundCount + round. */
  readonly used: Uint16Array[]
  /** The pair that must go to the other round, for senders and for receivers, plus 1; 0 for none. */
  readonly senderPartner: Int32Array
  readonly receiverPartner: Int32Array
  readonly open: Int32Array
  readonly done: Uint8Array
}

/** Couples the pairs of two rounds level by level. Pairs without a partner are coupled one level further out. */
const couple = (
  levels: readonly Level[],
  pairs: readonly number[],
  partner: Int32Array,
  open: Int32Array,
): void => {
  for (const pair of pairs) partner[pair] = 0
  let single = pairs
  for (const { resources } of levels) {
    for (const pair of single) {
      const other = open[resources[pair]!]!
      if (other === 0) open[resources[pair]!] = pair + 1
      else {
        partner[pair] = other
        partner[other - 1] = pair + 1
        open[resources[pair]!] = 0
      }
    }
    for (const pair of single) open[resources[pair]!] = 0
    single = single.filter((pair) => partner[pair] === 0)
  }
}

/**
 * Splits the pairs of two rounds so that partners are in different rounds. Couples of senders and couples of receivers
 * alternate along paths and even cycles, so this is always possible. Each resource then has equal halves, except for one
 * unit without a partner.
 */
const split = (state: State, pairs: readonly number[]): [number[], number[]] => {
  const { senderPartner, receiverPartner, done } = state
  const halves: [number[], number[]] = [[], []]
  for (const pair of pairs) done[pair] = 0
  const follow = (start: number, first: Int32Array, second: Int32Array) => {
    let pair = start
    for (let step = 0; pair >= 0 && done[pair] === 0; step++) {
      done[pair] = 1
      halves[step % 2]!.push(pair)
      pair = (step % 2 === 0 ? first : second)[pair]! - 1
    }
  }
  for (const pair of pairs) {
    if (done[pair] === 1) continue
    if (senderPartner[pair] === 0) follow(pair, receiverPartner, senderPartner)
    else if (receiverPartner[pair] === 0) follow(pair, senderPartner, receiverPartner)
  }
  for (const pair of pairs) if (done[pair] === 0) follow(pair, senderPartner, receiverPartner)
  return halves
}

const count = (state: State, round: number, pairs: readonly number[], units: number): void => {
  for (const [level, { resources }] of state.levels.entries()) {
    const used = state.used[level]!
    for (const pair of pairs) used[resources[pair]! * state.roundCount + round]! += units
  }
}

const evenOut = (state: State, one: number, other: number): void => {
  const { caps, members } = state
  count(state, one, members[one]!, -1)
  count(state, other, members[other]!, -1)
  const pairs = [...members[one]!, ...members[other]!]
  couple(caps.senders, pairs, state.senderPartner, state.open)
  couple(caps.receivers, pairs, state.receiverPartner, state.open)
  ;[members[one], members[other]] = split(state, pairs)
  count(state, one, members[one]!, 1)
  count(state, other, members[other]!, 1)
}

/** Returns the round that uses an exceeded resource of this round least; -1 when none is exceeded. */
const roundToEvenOut = (state: State, round: number): number => {
  for (const [level, { resources, cap }] of state.levels.entries()) {
    const used = state.used[level]!
    for (const pair of members(state, round)) {
      const base = resources[pair]! * state.roundCount
      if (used[base + round]! <= cap) continue
      let least = 0
      for (let other = 1; other < state.roundCount; other++) {
        if (used[base + other]! < used[base + least]!) least = other
      }
      return least
    }
  }
  return -1
}

const members = (state: State, round: number): readonly number[] => state.members[round]!

/** Most pairs that are handled, which takes some seconds. Asymmetric fleets of several hundred nodes may need more. */
const MAX_WORK = 3e7

/**
 * Changes rounds in place until no cap is exceeded, or the work limit is reached. `count` must be at least the largest
 * ceil(load / cap): then a resource that is above its cap in one round is below it in another. Balancing the two lowers
 * the sum of the squares of all used units, so it terminates.
 */
export const nestRounds = (caps: NestedCaps, { colours, count: roundCount }: Rounds): void => {
  const levels = [...caps.senders, ...caps.receivers]
  const state: State = {
    caps,
    levels,
    roundCount,
    members: Array.from({ length: roundCount }, () => []),
    used: levels.map((level) => new Uint16Array(level.resourceCount * roundCount)),
    senderPartner: new Int32Array(colours.length),
    receiverPartner: new Int32Array(colours.length),
    done: new Uint8Array(colours.length),
    open: new Int32Array(levels.reduce((most, level) => Math.max(most, level.resourceCount), 0)),
  }
  for (let pair = 0; pair < colours.length; pair++) state.members[colours[pair]!]!.push(pair)
  for (let round = 0; round < roundCount; round++) count(state, round, members(state, round), 1)
  let work = 0
  for (let changed = true; changed && work < MAX_WORK; ) {
    changed = false
    for (let round = 0; round < roundCount; round++) {
      for (let other = roundToEvenOut(state, round); other >= 0; other = roundToEvenOut(state, round)) {
        evenOut(state, round, other)
        work += members(state, round).length + members(state, other).length
        if (work >= MAX_WORK) break
        changed = true
      }
    }
  }
  for (let round = 0; round < roundCount; round++) {
    for (const pair of members(state, round)) colours[pair] = round
  }
}
