/** A window's lost probes that an answer has confirmed as loss, not an outage. */
export type LostProbe = {
  path: number
  source: string
  destination: string
  interface: string
  second: number
  count: number
}

/** The probes to and from one interface of a fabric in the evaluated time. */
export type InterfaceCounts = { node: string; sentCount: number }

/** An interface that loses more than the rest of its fabric. */
export type LossyCounts = { node: string; sentCount: number; lostCount: number; peerCount: number }

/**
 * Maximum probability of one false result per evaluation of the whole fabric. The probability of each interface is
 * multiplied by their number (Bonferroni correction).
 */
const FALSE_CHANCE = 1e-3
/** Lower bound of the usual loss ratio of a fabric: less cannot be measured. */
const MIN_USUAL_LOSS = 2e-5
/** One bad path must not accuse its interfaces: each path counts for at most this number of lost probes, ... */
const MAX_LOST_PER_PATH = 2
/** ... and probes must be lost with at least this number of peers. */
const MIN_PEERS = 3
/** The interfaces with the most loss, this ratio of them, are not part of the usual loss. */
const TRIMMED_RATIO = 0.1
/** Maximum number of results. With more, the whole fabric is bad, and the worst ones are enough. */
const MAX_LOSSY = 100
/**
 * Second condition, for small fleets, where the usual loss may be low by chance: if all interfaces were equally lossy,
 * one of them would get this part of the loss at most this often.
 */
const MAX_EQUAL_CHANCE = 0.05

/**
 * Returns P(X >= count) for X ~ Poisson(mean) (NIST/SEMATECH e-Handbook, 1.3.6.6.19): independent rare losses over many
 * probes. The terms are summed from `count` upwards, so that tiny probabilities keep their digits.
 */
export const poissonTail = (count: number, mean: number): number => {
  if (count <= 0) return 1
  if (mean <= 0) return 0
  let term = Math.exp(-mean)
  for (let k = 1; k <= count; k++) term *= mean / k
  let tail = 0
  for (let k = count; term > tail * 1e-12 && k < count + 1000; k++) {
    tail += term
    term *= mean / (k + 1)
  }
  return Math.min(1, tail)
}

/**
 * Returns P(X >= count) for X ~ Binomial(trials, chance) (NIST/SEMATECH e-Handbook, 1.3.6.6.18). The first term is
 * computed with logarithms, the others from their ratios.
 */
const binomialTail = (count: number, trials: number, chance: number): number => {
  if (count <= 0 || chance >= 1) return 1
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

/** Counts what each interface has lost with each peer. `explain` removes the loss of one interface from its peers. */
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
    const counted = Math.min(count, MAX_LOST_PER_PATH - before)
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

/** Returns the loss ratio of the fabric without its worst interfaces. */
const usualLoss = (interfaces: readonly InterfaceCounts[], tallies: ReadonlyMap<string, Tally>): number => {
  const sorted = interfaces
    .map(({ node, sentCount }) => ({ sentCount, lostCount: tallies.get(node)?.lostCount ?? 0 }))
    .sort((one, other) => one.lostCount - other.lostCount)
  const usual = sorted.slice(0, Math.max(1, Math.floor(sorted.length * (1 - TRIMMED_RATIO))))
  const sent = usual.reduce((sum, { sentCount }) => sum + sentCount, 0)
  const lost = usual.reduce((sum, { lostCount }) => sum + lostCount, 0)
  return Math.max(MIN_USUAL_LOSS, sent === 0 ? 0 : lost / sent)
}

/**
 * Returns the interfaces of one fabric (all interfaces of one name) that lose more than chance and the usual loss of
 * the fabric explain, the worst first. One path at one probe per second cannot show 1 % loss within seconds; all paths
 * of an interface together can. Loss with a found interface does not count against its peers.
 */
export const findLossyInterfaces = (
  interfaces: readonly InterfaceCounts[],
  lost: readonly LostProbe[],
): LossyCounts[] => {
  const found = new Map<string, LossyCounts>()
  const { tallies, explain } = createTallies(lost)
  // Each probe is counted at both of its interfaces.
  const allSent = interfaces.reduce((sum, { sentCount }) => sum + sentCount, 0) / 2
  for (;;) {
    const usual = usualLoss(interfaces, tallies)
    const allLost = [...tallies.values()].reduce((sum, { lostCount }) => sum + lostCount, 0) / 2
    const candidates = interfaces.flatMap((each) => {
      const { lostCount = 0, byPeer } = tallies.get(each.node) ?? {}
      if (!byPeer || byPeer.size < MIN_PEERS) return []
      // In a small fleet much of the others' loss is with this interface: compare with the loss among the others.
      const amongOthers = (allLost - lostCount) / Math.max(1, allSent - each.sentCount)
      const expected = each.sentCount * Math.max(MIN_USUAL_LOSS, Math.min(usual, amongOthers))
      const chance = poissonTail(lostCount, expected)
      if (chance * interfaces.length >= FALSE_CHANCE) return []
      if (binomialTail(lostCount, allLost, each.sentCount / allSent) > MAX_EQUAL_CHANCE) return []
      return [{ ...each, lostCount, peerCount: byPeer.size, chance }]
    })
    const worst = candidates.sort(
      (one, other) => one.chance - other.chance || other.lostCount - one.lostCount,
    )[0]
    if (!worst || found.size === MAX_LOSSY) return [...found.values()]
    const { chance: _, ...counts } = worst
    found.set(counts.node, counts)
    explain(counts.node)
  }
}
