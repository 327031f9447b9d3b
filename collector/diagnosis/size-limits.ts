/** Interfaces that pass small packets and lose large ones: an MTU black hole. */

import { median } from '../../lib/statistics.ts'
import { formatCount } from '../../lib/units.ts'
import { isFailed, isMeasured } from '../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { interfaceKey, pairKey } from '../inventory/keys.ts'
import type { LocalFindings } from './local-verdicts.ts'
import { createVerdict, type FaultDirection, MAX_LISTED_PAIRS, type Verdict } from './verdict.ts'

/** The size of the largest IP packet that passes from the source to the destination, in bytes, by `pairKey`. */
export type SizeLimits = ReadonlyMap<string, number>

/** A bulk test below this ratio of the median has stalled: only its first packets passed. */
const STALLED_RATIO = 0.01

/** An interface is swept with this number of its stalled pairs. */
const SWEPT_OF_INTERFACE = 2
/** Each sweep takes a few seconds, and all run at the same time. */
const MAX_SWEPT = 8

/** Size steps of the sweep and the measured pairs agree to the byte. */
const SIZE_CONFIDENCE = 0.99

/** An interface is named when this ratio of its pairs in the direction stalls. */
const MIN_STALLED_RATIO = 0.75
/** With one peer, the fault is between the two. */
const MIN_PEERS = 2

/** Returns the rate of a measured bulk test. */
const rateOf = (result: PairResult): number | undefined =>
  isMeasured(result) && result.values?.kind === 'iperf' ? result.values.bitsPerSecond : undefined

/** Returns the pairs whose large packets do not pass: failed ones, and bulk tests with next to no rate. */
const stalledPairs = (results: readonly PairResult[]): PairResult[] => {
  const limit = STALLED_RATIO * (median(results.flatMap((result) => rateOf(result) ?? [])) ?? 0)
  return results.filter((result) => isFailed(result) || (rateOf(result) ?? Infinity) <= limit)
}

/** Returns the pair in the direction of its payload. */
const payloadPair = ({ source, destination }: EndpointPair, reversed: boolean): EndpointPair =>
  reversed ? { source: destination, destination: source } : { source, destination }

const sendsKey = ({ source }: EndpointPair): string => `${interfaceKey(source)} tx`
const receivesKey = ({ destination }: EndpointPair): string => `${interfaceKey(destination)} rx`

/** Returns the pairs, in the direction of the payload, whose largest packet should be measured: a few for each interface. */
export const pairsToSweep = (results: readonly PairResult[], reversed: boolean): EndpointPair[] => {
  const counts = new Map<string, number>()
  const chosen: EndpointPair[] = []
  for (const result of stalledPairs(results)) {
    const pair = payloadPair(result, reversed)
    const keys = [sendsKey(pair), receivesKey(pair)]
    if (keys.every((key) => (counts.get(key) ?? 0) >= SWEPT_OF_INTERFACE)) continue
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
    chosen.push(pair)
    if (chosen.length === MAX_SWEPT) break
  }
  return chosen
}

type Stalled = EndpointPair & { readonly result: PairResult; readonly limit: number | undefined }

type Group = {
  readonly node: string
  readonly interface: string
  readonly direction: FaultDirection
  readonly stalled: readonly Stalled[]
  readonly limit: number
}

/** Returns the interface directions whose pairs stall, the ones with most pairs first. */
const groupsOf = (stalled: readonly Stalled[], counts: ReadonlyMap<string, number>): Group[] => {
  const byKey = (key: (pair: EndpointPair) => string, direction: FaultDirection) =>
    [...Map.groupBy(stalled, key)].flatMap(([name, own]): Group[] => {
      const limits = own.flatMap(({ limit }) => limit ?? [])
      if (limits.length < MIN_PEERS || own.length < MIN_STALLED_RATIO * counts.get(name)!) return []
      const { node, interface: of } = direction === 'tx' ? own[0]!.source : own[0]!.destination
      return [{ node, interface: of, direction, stalled: own, limit: Math.max(...limits) }]
    })
  return [...byKey(sendsKey, 'tx'), ...byKey(receivesKey, 'rx')].sort(
    (one, other) => other.stalled.length - one.stalled.length,
  )
}

const VERBS: Record<FaultDirection, string> = {
  tx: 'sends',
  rx: 'receives',
  both: 'sends and receives',
}

const sizeText = (bytes: number): string => `nothing larger than ${formatCount(bytes)} bytes`

const evidenceText = (stalled: readonly Stalled[]): string => {
  const swept = stalled.filter(({ limit }) => limit !== undefined).length
  return `Small pings pass; ${stalled.length} ${stalled.length === 1 ? 'pair' : 'pairs'} with large packets ${stalled.length === 1 ? 'fails' : 'fail'}. The limit was measured with the don't-fragment flag on ${swept} of them.`
}

const fieldsOf = (stalled: readonly Stalled[]) => ({
  confidence: SIZE_CONFIDENCE,
  pairsFor: stalled
    .slice(0, MAX_LISTED_PAIRS)
    .map(({ result: { source, destination } }) => ({ source, destination })),
  pairCount: stalled.length,
  retested: true,
})

const interfaceVerdict = ({ node, interface: name, direction, stalled, limit }: Group): Verdict =>
  createVerdict({
    kind: 'interface',
    node,
    interface: name,
    direction,
    message: `${node} ${VERBS[direction]} ${sizeText(limit)} on ${name}. ${evidenceText(stalled)}`,
    ...fieldsOf(stalled),
  })

const linkVerdict = (pair: Stalled): Verdict =>
  createVerdict({
    kind: 'link',
    node: pair.source.node,
    interface: pair.source.interface,
    direction: 'tx',
    peer: pair.destination.node,
    message:
      `${sizeText(pair.limit!)} passes from ${pair.source.node} to ${pair.destination.node} on ${pair.source.interface}. ${evidenceText([pair])}`.replace(
        /^n/,
        'N',
      ),
    ...fieldsOf([pair]),
  })

/** Returns one group for an interface that has the limit in both directions. */
const mergeDirections = (groups: readonly Group[]): Group[] =>
  [...Map.groupBy(groups, interfaceKey).values()].flatMap((all) => {
    const [first, second] = all
    if (!first || !second || first.limit !== second.limit) return all
    return [{ ...first, direction: 'both' as const, stalled: [...first.stalled, ...second.stalled] }]
  })

/** Explains the stalled pairs of interfaces and links of which a sweep found a limit. */
export const explainSizeLimits = (
  results: readonly PairResult[],
  limits: SizeLimits,
  reversed: boolean,
): LocalFindings => {
  if (limits.size === 0) return { verdicts: [], pairs: [], rest: results }
  const counts = new Map<string, number>()
  for (const result of results) {
    const pair = payloadPair(result, reversed)
    for (const key of [sendsKey(pair), receivesKey(pair)]) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  let left = stalledPairs(results).map((result): Stalled => {
    const pair = payloadPair(result, reversed)
    return { ...pair, result, limit: limits.get(pairKey(pair.source, pair.destination)) }
  })
  const groups: Group[] = []
  for (;;) {
    const [group] = groupsOf(left, counts)
    if (!group) break
    groups.push(group)
    const taken = new Set(group.stalled)
    left = left.filter((pair) => !taken.has(pair))
  }
  const links = left.filter(({ limit }) => limit !== undefined)
  const pairs = [...groups.flatMap(({ stalled }) => stalled), ...links].map(({ result }) => result)
  const explained = new Set(pairs)
  return {
    verdicts: [...mergeDirections(groups).map(interfaceVerdict), ...links.map(linkVerdict)],
    pairs,
    rest: results.filter((result) => !explained.has(result)),
  }
}
