import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { type Culprit, findCulprits } from './culprits.ts'
import { findLinks, isRetested } from './links.ts'
import { isBad, judge, type Sample } from './samples.ts'
import { defaultHeuristics, defaultThresholds, type Heuristics, type Thresholds } from './thresholds.ts'
import type { Verdict } from './verdict.ts'
import {
  type Found,
  interfaceVerdict,
  linkVerdict,
  nodeVerdict,
  rackVerdict,
  toFabric,
  toPair,
} from './verdicts.ts'

export type DiagnosisInput = {
  /** The last result of each pair. */
  readonly results: readonly PairResult[]
  /** The rack of each node whose rack is known. */
  readonly racks?: ReadonlyMap<string, string>
  /** Whether the payload flowed from destination to source (iperf3 --reverse). */
  readonly reversed?: boolean
  readonly thresholds?: Partial<Thresholds>
  readonly heuristics?: Partial<Heuristics>
}

export type Diagnosis = {
  /** The culprits, the most confident first. */
  readonly verdicts: Verdict[]
  /**
   * Bad pairs that were measured once. They must be measured again on new ports before anything is accused. Sources
   * alternate, so that a prefix of the list covers every node.
   */
  readonly suspects: EndpointPair[]
}

/** Returns the culprit's interface, of the two that a fabric connects. */
const interfaceOf = ({ name, pairsFor }: Culprit): string => {
  const { source, sourceInterface, destinationInterface } = pairsFor[0]!
  return source === name ? sourceInterface : destinationInterface
}

/** Returns the interfaces of each node that any pair is evidence about. */
const interfacesByNode = (fabrics: readonly Sample[][]): Map<string, Set<string>> => {
  const interfaces = new Map<string, Set<string>>()
  for (const { result } of fabrics.flat()) {
    for (const endpoint of [result.source, result.destination]) {
      const known = interfaces.get(endpoint.node)
      if (known) known.add(endpoint.interface)
      else interfaces.set(endpoint.node, new Set([endpoint.interface]))
    }
  }
  return interfaces
}

/** Returns one verdict for a node that is bad on all of several interfaces, else one for each bad interface. */
const nodeVerdicts = (found: readonly Found[], fabrics: readonly Sample[][]): Verdict[] => {
  const interfaces = interfacesByNode(fabrics)
  return [...Map.groupBy(found, ({ culprit }) => culprit.name)].flatMap(([node, all]) => {
    const bad = new Set(all.map((one) => one.interface))
    const known = interfaces.get(node)!
    if (known.size > 1 && bad.size === known.size) return [nodeVerdict(all)]
    const fine = [...known].filter((name) => !bad.has(name)).sort()
    return all.map((one) => interfaceVerdict(one, fine))
  })
}

const suspectsOf = (fabrics: readonly Sample[][]): EndpointPair[] => {
  const bad = fabrics.flat().filter((sample) => isBad(sample) && !isRetested(sample))
  const bySource = [...Map.groupBy(bad, ({ source }) => source).values()]
  const most = bySource.reduce((longest, { length }) => Math.max(longest, length), 0)
  const rounds = Array.from({ length: most }, (_, round) =>
    bySource.flatMap((samples) => samples[round] ?? []),
  )
  return rounds.flat().map(toPair)
}

const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Finds the culprits of the bad pairs of a run, in each fabric separately: racks and nodes first, then links. */
export const diagnose = (input: DiagnosisInput): Diagnosis => {
  const { results, racks = new Map(), reversed } = input
  const parameters = { ...defaultThresholds, ...defaultHeuristics, ...input.thresholds, ...input.heuristics }
  const fabrics = judge(results, racks, parameters, reversed)
  const nodes: Found[] = []
  const verdicts: Verdict[] = []
  for (const samples of fabrics) {
    if (!samples.some(isBad)) continue
    const fabric = toFabric(samples)
    const { culprits, rest } = findCulprits(samples, racks, parameters)
    for (const culprit of culprits) {
      const found = { culprit, interface: interfaceOf(culprit), fabric }
      if (culprit.kind === 'rack') verdicts.push(rackVerdict(found, racks))
      else nodes.push(found)
    }
    for (const link of findLinks(rest, parameters)) {
      verdicts.push(linkVerdict(link, link.pairsFor[0]!.sourceInterface, fabric))
    }
  }
  verdicts.push(...nodeVerdicts(nodes, fabrics))
  verdicts.sort((one, other) => other.confidence - one.confidence || compareText(one.message, other.message))
  return { verdicts, suspects: suspectsOf(fabrics) }
}
