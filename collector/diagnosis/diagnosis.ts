import type { EndpointPair, PairResult, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { type Culprit, findCulprits } from './culprits.ts'
import { findLinks, isRetested } from './links.ts'
import { isBad, judge, type Sample } from './samples.ts'
import { defaultThresholds, type Thresholds } from './thresholds.ts'
import { type Found, interfaceVerdict, linkVerdict, nodeVerdict, rackVerdict, toPair } from './verdicts.ts'

export type DiagnosisInput = {
  /** What became of each pair; of a pair that was measured again, the last result. */
  readonly results: readonly PairResult[]
  /** The rack of each node whose rack is known. */
  readonly racks?: ReadonlyMap<string, string>
  /** Whether the bytes flowed from destination to source (iperf3 --reverse). */
  readonly reversed?: boolean
  readonly thresholds?: Partial<Thresholds>
}

export type Diagnosis = {
  /** Who is to blame, the surest first. */
  readonly verdicts: Verdict[]
  /**
   * Bad pairs that were tried only once: measure them again on new ports before anyone is blamed. Sources take
   * turns, so that the first few of them already say something about every node.
   */
  readonly suspects: EndpointPair[]
}

/** The interface that a culprit was found on: its own, of the two that a fabric joins. */
const interfaceOf = ({ name, pairsFor }: Culprit): string => {
  const { source, sourceInterface, destinationInterface } = pairsFor[0]!
  return source === name ? sourceInterface : destinationInterface
}

/** The interfaces of each node that any pair says something about. */
const interfacesByNode = (fabrics: readonly Sample[][]): Map<string, Set<string>> => {
  const interfaces = new Map<string, Set<string>>()
  for (const { result } of fabrics.flat()) {
    for (const end of [result.source!, result.destination!]) {
      const known = interfaces.get(end.node)
      if (known) known.add(end.interface)
      else interfaces.set(end.node, new Set([end.interface]))
    }
  }
  return interfaces
}

/** One verdict for a node that is bad on all of several interfaces, else one for each bad interface. */
const endVerdicts = (found: readonly Found[], fabrics: readonly Sample[][]): Verdict[] => {
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
  const turns = Array.from({ length: most }, (_, turn) => bySource.flatMap((samples) => samples[turn] ?? []))
  return turns.flat().map(toPair)
}

const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Names who is to blame for the bad pairs of a run, each fabric by itself: racks and nodes first, then links. */
export const diagnose = ({ results, racks = new Map(), reversed, thresholds }: DiagnosisInput): Diagnosis => {
  const limits = { ...defaultThresholds, ...thresholds }
  const fabrics = judge(results, racks, limits, reversed)
  const ends: Found[] = []
  const verdicts: Verdict[] = []
  for (const fabric of fabrics) {
    const { culprits, rest } = findCulprits(fabric, racks, limits)
    for (const culprit of culprits) {
      const found = { culprit, interface: interfaceOf(culprit), fabric }
      if (culprit.kind === 'rack') verdicts.push(rackVerdict(found, racks))
      else ends.push(found)
    }
    for (const link of findLinks(rest, limits)) {
      verdicts.push(linkVerdict(link, link.pairsFor[0]!.sourceInterface, fabric))
    }
  }
  verdicts.push(...endVerdicts(ends, fabrics))
  verdicts.sort((one, other) => other.confidence - one.confidence || compareText(one.message, other.message))
  return { verdicts, suspects: suspectsOf(fabrics) }
}
