/** Loss of an interface, from the probes of all its paths: one path at a probe a second cannot show 1 % in time. */

/** A lost probe that an answer has shown to be mere loss. */
export type LostProbe = {
  path: number
  source: string
  destination: string
  interface: string
  second: number
  count: number
}

/** One interface with the probes to and from it in the time that is judged. */
export type PooledEnd = { node: string; sentCount: number }

export type LossyEnd = { node: string; sentCount: number; lostCount: number; peerCount: number }

/** Chance of one false accusation in a judgement of the whole fabric. */
const FALSE_CHANCE = 1e-3
/** No fabric is taken to lose less than this by nature, as nobody could tell. */
const LEAST_LOSS = 2e-5
/** One bad path is that path's matter: it counts so often, and so many peers must lose something. */
const MOST_OF_A_PATH = 2
const LEAST_PEERS = 3
/** The share of ends with most loss that says nothing of how much is usual. */
const TRIMMED_SHARE = 0.1
/** A fabric with more of them than this is bad itself: the worst are named, and looking goes on for no longer. */
const MOST_LOSSY = 100
/** Were all alike, so much loss would fall to this end no more often than this: in a small fleet little is usual by chance. */
const MOST_ALIKE_CHANCE = 0.05

/** Probability of `count` or more where `mean` are expected (Poisson). */
export const poissonTail = (count: number, mean: number): number => {
  if (count <= 0) return 1
  if (mean <= 0) return 0
  // From the count upwards, so that tiny tails keep their digits.
  let term = Math.exp(-mean)
  for (let k = 1; k <= count; k++) term *= mean / k
  let tail = 0
  for (let k = count; term > tail * 1e-12 && k < count + 1000; k++) {
    tail += term
    term *= mean / (k + 1)
  }
  return Math.min(1, tail)
}

/** Probability of `count` or more of `trials` where each has this chance (binomial). */
const binomialTail = (count: number, trials: number, chance: number): number => {
  if (count <= 0 || chance >= 1) return 1
  // The term of `count`, from logarithms, and those after it by their ratios.
  let log = 0
  for (let k = 1; k <= count; k++) log += Math.log(((trials - count + k) / k) * chance)
  let term = Math.exp(log + (trials - count) * Math.log1p(-chance))
  let tail = 0
  for (let k = count; k <= trials && term > tail * 1e-12; k++) {
    tail += term
    term *= ((trials - k) / (k + 1)) * (chance / (1 - chance))
  }
  return Math.min(1, tail)
}

type Tally = { lostCount: number; byPeer: Map<string, number> }

/** What each end has lost with each peer. Loss goes away with the end that explains it. */
const createTallies = (lost: readonly LostProbe[]) => {
  const tallies = new Map<string, Tally>()
  const ofPath = new Map<number, number>()
  const add = (node: string, peer: string, count: number) => {
    const found = tallies.get(node) ?? { lostCount: 0, byPeer: new Map<string, number>() }
    tallies.set(node, found)
    found.lostCount += count
    found.byPeer.set(peer, (found.byPeer.get(peer) ?? 0) + count)
  }
  for (const { path, count, source, destination } of lost) {
    const before = ofPath.get(path) ?? 0
    const counted = Math.min(count, MOST_OF_A_PATH - before)
    if (counted <= 0) continue
    ofPath.set(path, before + counted)
    add(source, destination, counted)
    add(destination, source, counted)
  }
  return {
    tallies: tallies as ReadonlyMap<string, Tally>,
    explain: (node: string): void => {
      for (const [peer, count] of tallies.get(node)?.byPeer ?? []) {
        const other = tallies.get(peer)!
        other.byPeer.delete(node)
        other.lostCount -= count
      }
      tallies.delete(node)
    },
  }
}

const usualLoss = (ends: readonly PooledEnd[], tallies: ReadonlyMap<string, Tally>): number => {
  const sorted = ends
    .map(({ node, sentCount }) => ({ sentCount, lostCount: tallies.get(node)?.lostCount ?? 0 }))
    .sort((one, other) => one.lostCount - other.lostCount)
  const usual = sorted.slice(0, Math.max(1, Math.floor(sorted.length * (1 - TRIMMED_SHARE))))
  const sent = usual.reduce((sum, { sentCount }) => sum + sentCount, 0)
  const lost = usual.reduce((sum, { lostCount }) => sum + lostCount, 0)
  return Math.max(LEAST_LOSS, sent === 0 ? 0 : lost / sent)
}

/**
 * The ends of one fabric (interfaces of one name) that lose more than chance and the usual loss of the fabric explain,
 * the worst first. What is lost with one of them is not held against its peers.
 */
export const findLossyEnds = (ends: readonly PooledEnd[], lost: readonly LostProbe[]): LossyEnd[] => {
  const found = new Map<string, LossyEnd>()
  const { tallies, explain } = createTallies(lost)
  // Each probe has two ends.
  const allSent = ends.reduce((sum, { sentCount }) => sum + sentCount, 0) / 2
  for (;;) {
    const usual = usualLoss(ends, tallies)
    const allLost = [...tallies.values()].reduce((sum, { lostCount }) => sum + lostCount, 0) / 2
    const candidates = ends.flatMap((end) => {
      const { lostCount = 0, byPeer } = tallies.get(end.node) ?? {}
      if (!byPeer || byPeer.size < LEAST_PEERS) return []
      // In a small fleet much of what others lose is lost with this one: the usual is what they lose among themselves.
      const amongOthers = (allLost - lostCount) / Math.max(1, allSent - end.sentCount)
      const chance = poissonTail(
        lostCount,
        end.sentCount * Math.max(LEAST_LOSS, Math.min(usual, amongOthers)),
      )
      if (chance * ends.length >= FALSE_CHANCE) return []
      if (binomialTail(lostCount, allLost, end.sentCount / allSent) > MOST_ALIKE_CHANCE) return []
      return [{ ...end, lostCount, peerCount: byPeer.size, chance }]
    })
    const worst = candidates.sort(
      (one, other) => one.chance - other.chance || other.lostCount - one.lostCount,
    )[0]
    if (!worst || found.size === MOST_LOSSY) return [...found.values()]
    const { chance: _, ...end } = worst
    found.set(end.node, end)
    explain(end.node)
  }
}
