import { median } from '../../lib/statistics.ts'
import { formatBitrate, formatDuration, formatRatio } from '../../lib/units.ts'
import type { Culprit } from './culprits.ts'
import { type Fault, isBad, type Sample } from './samples.ts'
import type { FaultDirection } from './verdict.ts'

/** Returns the most frequent fault of the bad pairs. */
export const mainFault = (pairsFor: readonly Sample[]): Fault => {
  const counts = new Map<Fault, number>()
  for (const { fault } of pairsFor) if (fault) counts.set(fault, (counts.get(fault) ?? 0) + 1)
  return [...counts].reduce((most, next) => (next[1] > most[1] ? next : most))[0]
}

const defined = (values: (number | undefined)[]): number[] => values.filter((value) => value !== undefined)

const lossOf = (samples: readonly Sample[]): number => {
  const sent = samples.reduce((sum, { sentCount }) => sum + sentCount, 0)
  return sent === 0 ? 0 : samples.reduce((sum, { lostCount }) => sum + lostCount, 0) / sent
}

/** Returns the value that shows a fault: median rate or round-trip time, or loss over all probes; '' for none. */
export const figureOf = (samples: readonly Sample[], fault: Fault): string => {
  const rates = defined(samples.map(({ bitsPerSecond }) => bitsPerSecond))
  const times = defined(samples.map(({ rttSeconds }) => rttSeconds))
  const resent = defined(samples.map(({ resentRatio }) => resentRatio))
  if (fault === 'lossy' && resent.length > 0) return formatRatio(median(resent)!)
  if (fault === 'lossy')
    return samples.some(({ sentCount }) => sentCount > 0) ? formatRatio(lossOf(samples)) : ''
  if (fault === 'late') return times.length > 0 ? formatDuration(median(times)!) : ''
  return rates.length > 0 ? formatBitrate(median(rates)!) : ''
}

/** Words for loss with the time that it covers, where pairs are measured all the time. */
export type LossWords = {
  /** The loss of a culprit's pairs, such as `20 % of its probes since 14:02:07 UTC (8 s)`; undefined without a figure. */
  ofCulprit(subject: string, pairs: readonly Sample[]): string | undefined
  /** The time of every other loss figure, such as ` in the last minute`. */
  readonly otherwise: string
}

/** What a loss figure is the ratio of. */
const lossUnit = (samples: readonly Sample[]): 'probes' | 'segments' | 'datagrams' => {
  const { values } = samples[0]!.result
  if (values?.kind !== 'iperf') return 'probes'
  return values.lossRatio === undefined ? 'segments' : 'datagrams'
}

/** `retransmits 4.8 % of its segments where its peers retransmit 0.1 %` */
const resentText = (pairsFor: readonly Sample[], usual: string, whoElse: string): string => {
  const figure = figureOf(pairsFor, 'lossy')
  const isTcp = lossUnit(pairsFor) === 'segments'
  const [verb, others, of] = isTcp
    ? ['retransmits', 'retransmit', 'segments']
    : ['loses', 'lose', 'datagrams']
  return `${verb} ${figure} of its ${of}${usual ? ` where ${whoElse} ${others} ${usual}` : ''}`
}

const VERBS: Record<Fault, Record<FaultDirection, string>> = {
  failed: { tx: 'cannot reach others', rx: 'cannot be reached', both: 'cannot be reached' },
  slow: { tx: 'sends badly', rx: 'receives badly', both: 'sends and receives badly' },
  lossy: { tx: 'loses probes that it sends', rx: 'loses probes that it receives', both: 'loses packets' },
  late: { tx: 'gets late answers', rx: 'answers late', both: 'answers late' },
}

const PAIRS: Record<FaultDirection, string> = {
  tx: 'that it sends',
  rx: 'that it receives',
  both: 'that it is in',
}

/** `node-3 sends badly on net1: 48.0 Mbit/s where its peers reach 941 Mbit/s.` */
export const accuse = (
  who: string,
  where: string,
  direction: FaultDirection,
  { pairsFor, pairsAgainst }: Pick<Culprit, 'pairsFor' | 'pairsAgainst'>,
  /** Returns pairs to compare with. Called only when there is a value to compare. */
  peers: () => readonly Sample[],
  { whoElse = 'its peers', lossWords }: { whoElse?: string; lossWords?: LossWords | undefined } = {},
): string => {
  const fault = mainFault(pairsFor)
  const start = `${who} ${VERBS[fault][direction]}${where}`
  const all = [...pairsFor, ...pairsAgainst]
  if (fault === 'failed') return `${start}: ${pairsFor.length} of ${all.length} pairs fail.`
  const usual = figureOf(peers(), fault)
  if (fault === 'lossy' && lossUnit(pairsFor) !== 'probes') {
    const verb =
      direction === 'both'
        ? 'loses packets'
        : `loses packets that it ${direction === 'tx' ? 'sends' : 'receives'}`
    return `${who} ${verb}${where}: it ${resentText(pairsFor, usual, whoElse)}.`
  }
  const comparison: Record<Exclude<Fault, 'failed'>, string> = {
    slow: ` where ${whoElse} reach ${usual}`,
    lossy: ` where ${whoElse} lose ${usual}${lossWords?.otherwise ?? ''}`,
    late: ` where ${whoElse} take ${usual}`,
  }
  // Pairs without loss count for the loss of a node: they lost nothing only by chance.
  const figure =
    fault === 'lossy'
      ? (lossWords?.ofCulprit(`${who}${where}`, all) ??
        `${figureOf(all, fault)} of its probes${lossWords?.otherwise ?? ''}`)
      : figureOf(pairsFor, fault)
  return `${start}: ${figure}${usual ? comparison[fault] : ''}.`
}

/** Returns the most frequent reason of the failed pairs as a sentence; '' without one. */
const reasonOf = (pairsFor: readonly Sample[]): string => {
  const counts = new Map<string, number>()
  for (const { result } of pairsFor)
    if (result.reason) counts.set(result.reason, (counts.get(result.reason) ?? 0) + 1)
  const [most] = [...counts].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1))
  return most ? ` Reason given: ${most[0].replace(/\.$/, '')}.` : ''
}

/** Returns the state of the node's other direction: `what it receives is fine (938 Mbit/s)`, or ''. */
const otherWay = (direction: FaultDirection, others: readonly Sample[]): string => {
  if (direction === 'both' || others.length === 0 || others.filter(isBad).length * 4 > others.length)
    return ''
  const rates = defined(others.filter((sample) => !isBad(sample)).map(({ bitsPerSecond }) => bitsPerSecond))
  const figure = rates.length > 0 ? ` (${formatBitrate(median(rates)!)})` : ''
  return `what it ${direction === 'tx' ? 'receives' : 'sends'} is fine${figure}`
}

/**
 * Returns the evidence: `5 of 5 pairs that it sends agree; what it receives is fine (938 Mbit/s), and so is net0.`
 * `otherPairs` are the node's pairs in the other direction, `fineElsewhere` its interfaces without a fault.
 */
export const evidence = (
  direction: FaultDirection,
  pairsFor: readonly Sample[],
  pairCount: number,
  otherPairs: readonly Sample[],
  fineElsewhere: readonly string[],
): string => {
  const failed = mainFault(pairsFor) === 'failed'
  const elsewhere = fineElsewhere.join(', ')
  const verb = fineElsewhere.length === 1 ? 'is' : 'are'
  const fine = otherWay(direction, otherPairs)
  const rest = elsewhere && (fine ? `, and so ${verb} ${elsewhere}` : `${elsewhere} ${verb} fine`)
  const agree = failed ? '' : `${pairsFor.length} of ${pairCount} pairs ${PAIRS[direction]} agree`
  const facts = [agree, fine + rest].filter((text) => text !== '').join('; ')
  const sentence = facts ? ` ${facts[0]!.toUpperCase()}${facts.slice(1)}.` : ''
  return sentence + (failed ? reasonOf(pairsFor) : '')
}

const lossOfLink = (
  path: string,
  where: string,
  pairsFor: readonly Sample[],
  lossWords: LossWords | undefined,
): string | undefined => {
  if (!lossWords || mainFault(pairsFor) !== 'lossy') return undefined
  return lossWords.ofCulprit(`${path}${where}`, pairsFor)
}

/** `The path from node-1 to node-2 is bad on net1: 48.0 Mbit/s where others reach 941 Mbit/s.` and its evidence. */
export const accuseLink = (
  source: string,
  destination: string,
  bothWays: boolean,
  where: string,
  pairsFor: readonly Sample[],
  peers: readonly Sample[],
  lossWords?: LossWords,
): string => {
  const fault = mainFault(pairsFor)
  const isResent = fault === 'lossy' && lossUnit(pairsFor) !== 'probes'
  const path = bothWays ? `between ${source} and ${destination}` : `from ${source} to ${destination}`
  const figures =
    fault === 'failed'
      ? `${pairsFor.length === 1 ? 'the pair fails' : 'both ways fail'}`
      : isResent
        ? `it ${resentText(pairsFor, figureOf(peers, fault), 'others')}`
        : `${lossOfLink(path, where, pairsFor, lossWords) ?? figureOf(pairsFor, fault)} where others have ${figureOf(peers, fault)}`
  const reason = fault === 'failed' ? reasonOf(pairsFor) : ''
  return `The path ${path} is bad${where}: ${figures}. Both nodes do well with others.${reason}`
}
