import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { withoutChance } from './chance.ts'
import { type ClassFinding, findSlowClasses, type InterfaceFacts } from './class-verdicts.ts'
import { type Culprit, findCulprits } from './culprits.ts'
import { type JudgedFabric, judgeFabrics } from './fabrics.ts'
import { findLinks } from './links.ts'
import type { LocalEvidence } from './local-evidence.ts'
import { explainLocally, localNotes, withLocalEvidence } from './local-verdicts.ts'
import { withoutStarvedNodes } from './programs.ts'
import { isBad, isRetested, type Sample } from './samples.ts'
import { explainSizeLimits, type SizeLimits } from './size-limits.ts'
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
import type { LossWords } from './wording.ts'

export type DiagnosisInput = {
  /** The last result of each pair. */
  readonly results: readonly PairResult[]
  /** The rack of each node whose rack is known. */
  readonly racks?: ReadonlyMap<string, string>
  /** What is known about each interface, by `interfaceKey`. */
  readonly interfaces?: ReadonlyMap<string, InterfaceFacts>
  /** Whether the payload flowed from destination to source (iperf3 --reverse). */
  readonly reversed?: boolean
  /** What the agents report about the interfaces that take part. */
  readonly local?: readonly LocalEvidence[]
  /** Size of the largest IP packets that the test sends. Unlimited by default, as in bulk tests. */
  readonly packetBytes?: number
  /** What sweeps of packet sizes found. */
  readonly sizeLimits?: SizeLimits
  readonly thresholds?: Partial<Thresholds>
  readonly heuristics?: Partial<Heuristics>
  /** Words for the loss of pairs that are measured all the time; without them, loss is of the whole test. */
  readonly lossWords?: LossWords
}

export type Diagnosis = {
  /** The culprits, the most confident first. */
  readonly verdicts: Verdict[]
  /** What is not wrong and should be known, one sentence each. */
  readonly notes: string[]
  /**
   * Bad pairs that must be measured again on new ports before anything is accused: those that were measured once; and
   * those that were measured twice and that no culprit explains. Those that stand out alone come first, and
   * sources alternate, so that a prefix of the list covers every node.
   */
  readonly suspects: EndpointPair[]
  /** The pairs that support the verdicts. */
  readonly evidence: readonly EndpointPair[]
  /** Bad pairs that neither a verdict nor chance explains, by fabric. */
  readonly unexplained: readonly { readonly fabric: JudgedFabric; readonly pairs: readonly Sample[] }[]
}

/** Returns the culprit's interface, of the two that a fabric connects. */
const interfaceOf = ({ name, pairsFor }: Culprit): string => {
  const { source, sourceInterface, destinationInterface } = pairsFor[0]!
  return source === name ? sourceInterface : destinationInterface
}

/** Returns the interfaces of each node that any pair is evidence about. */
const interfacesByNode = (fabrics: readonly JudgedFabric[]): Map<string, Set<string>> => {
  const interfaces = new Map<string, Set<string>>()
  for (const { result } of fabrics.flatMap(({ samples }) => samples)) {
    for (const endpoint of [result.source, result.destination]) {
      const known = interfaces.get(endpoint.node)
      if (known) known.add(endpoint.interface)
      else interfaces.set(endpoint.node, new Set([endpoint.interface]))
    }
  }
  return interfaces
}

/** Returns one verdict for a node that is bad on all of several interfaces, else one for each bad interface. */
const nodeVerdicts = (found: readonly Found[], fabrics: readonly JudgedFabric[]): Verdict[] => {
  if (found.length === 0) return []
  const interfaces = interfacesByNode(fabrics)
  return [...Map.groupBy(found, ({ culprit }) => culprit.name)].flatMap(([node, all]) => {
    const bad = new Set(all.map((one) => one.interface))
    const known = interfaces.get(node)!
    if (known.size > 1 && bad.size === known.size) return [nodeVerdict(all)]
    const fine = [...known].filter((name) => !bad.has(name)).sort()
    return all.map((one) => interfaceVerdict(one, fine))
  })
}

/** Returns the pairs in an order in which their sources alternate. */
const alternate = (samples: readonly Sample[]): Sample[] => {
  const bySource = [...Map.groupBy(samples, ({ source }) => source).values()]
  const most = bySource.reduce((longest, { length }) => Math.max(longest, length), 0)
  return Array.from({ length: most }, (_, round) => bySource.flatMap((own) => own[round] ?? [])).flat()
}

/** A pair that no culprit explains is measured this often before it is a verdict: it may be noise or collisions. */
const MAX_ATTEMPTS = 3

const suspectsOf = (samples: readonly Sample[], again: ReadonlySet<Sample>): EndpointPair[] => {
  const suspects = samples.filter(
    (sample) =>
      isBad(sample) &&
      (!isRetested(sample) || (again.has(sample) && sample.result.attemptCount < MAX_ATTEMPTS)),
  )
  const [first, rest] = [true, false].map((standsOut) =>
    alternate(suspects.filter((sample) => sample.standsOut === standsOut)),
  ) as [Sample[], Sample[]]
  return [...first, ...rest].map(toPair)
}

const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** Finds the culprits among the results that local evidence does not explain. */
const diagnoseRest = (input: DiagnosisInput): Diagnosis => {
  const { results, racks = new Map(), interfaces = new Map(), reversed } = input
  const parameters = { ...defaultThresholds, ...defaultHeuristics, ...input.thresholds, ...input.heuristics }
  const fabrics = judgeFabrics(results, racks, parameters, reversed)
  const nodes: Found[] = []
  const verdicts: Verdict[] = []
  const evidence: Sample[] = []
  const unexplained: { fabric: JudgedFabric; pairs: Sample[] }[] = []
  const classes: ClassFinding[] = []
  const again = new Set<Sample>()
  for (const judged of fabrics) {
    classes.push(...findSlowClasses(judged, { racks, interfaces, parameters }))
    if (!judged.samples.some(isBad)) continue
    const fabric = toFabric(judged.samples, input.lossWords)
    const { culprits, rest } = findCulprits(judged.samples, racks, parameters)
    for (const culprit of culprits) {
      const found = { culprit, interface: interfaceOf(culprit), fabric }
      if (culprit.kind === 'rack') verdicts.push(rackVerdict(found, racks))
      else nodes.push(found)
    }
    const links = findLinks(rest, parameters)
    for (const link of links) verdicts.push(linkVerdict(link, link.pairsFor[0]!.sourceInterface, fabric))
    const explained = new Set([...culprits, ...links].flatMap(({ pairsFor }) => pairsFor))
    evidence.push(...explained)
    const alone = rest.filter((sample) => isBad(sample) && sample.standsOut && !explained.has(sample))
    for (const sample of alone) again.add(sample)
    const pairs = withoutChance(rest, alone)
    if (pairs.length > 0) unexplained.push({ fabric: judged, pairs })
  }
  verdicts.push(...nodeVerdicts(nodes, fabrics), ...classes.flatMap(({ verdict }) => verdict ?? []))
  evidence.push(...classes.flatMap(({ verdict, pairs }) => (verdict ? pairs : [])))
  verdicts.sort((one, other) => other.confidence - one.confidence || compareText(one.message, other.message))
  const notes = classes.flatMap(({ note }) => note ?? [])
  const suspects = suspectsOf(
    fabrics.flatMap(({ samples }) => samples),
    again,
  )
  return { verdicts, notes, suspects, evidence: evidence.map(toPair), unexplained }
}

/**
 * Finds the causes of the bad pairs of a run. First what agents report about their own interfaces, then limits of packet
 * sizes; then the culprits of the other pairs, in each fabric separately: slow classes, racks and nodes, then links.
 */
export const diagnose = (input: DiagnosisInput): Diagnosis => {
  const { results, local = [], packetBytes = Infinity, sizeLimits = new Map(), reversed = false } = input
  const locally = explainLocally(withoutStarvedNodes(results), local, packetBytes)
  const bySize = explainSizeLimits(locally.rest, sizeLimits, reversed)
  const rest = diagnoseRest({ ...input, results: bySize.rest })
  const verdicts = withLocalEvidence([...locally.verdicts, ...bySize.verdicts, ...rest.verdicts], local)
  return {
    ...rest,
    verdicts,
    notes: [...rest.notes, ...localNotes(verdicts, local)],
    evidence: [...locally.pairs, ...bySize.pairs, ...rest.evidence],
  }
}
