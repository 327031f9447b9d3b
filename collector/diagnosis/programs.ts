/** Verdicts about programs. A program that hangs, crashes or reports what cannot be true is not a fault of the network. */

import { CPU, type PairResult, type ProgramFault } from '../dispatch/pair-result.ts'
import { createVerdict, MAX_LISTED_PAIRS, type Verdict } from './verdict.ts'

/** The fault is local evidence, and it happened to several pairs. */
const PROGRAM_CONFIDENCE = 0.99

/** A program is accused from this number of its pairs on, or when it has fewer, all of them. */
const MIN_PAIRS = 3

/** A node whose counts are wrong in at least this ratio of its pairs is the one whose program is wrong. */
const MIN_RATIO = 0.75

type Faulty = { readonly result: PairResult; readonly fault: ProgramFault }

const concerns = ({ source, destination }: PairResult, node: string): boolean =>
  source.node === node || destination.node === node

/** Returns the most frequent text. */
const mostFrequent = (texts: readonly string[]): string =>
  [...Map.groupBy(texts, (text) => text)].reduce((most, next) =>
    next[1].length > most[1].length ? next : most,
  )[0]

const programVerdict = (node: string, faulty: readonly Faulty[], pairCount: number): Verdict => {
  const [{ fault }] = faulty as [Faulty]
  const problem = mostFrequent(faulty.map((each) => each.fault.problem)).replace(/\.$/, '')
  return createVerdict({
    kind: 'program',
    node,
    program: fault.program,
    confidence: PROGRAM_CONFIDENCE,
    message: `${fault.program} of ${node} ${problem}. ${faulty.length} of ${pairCount} pairs of this node are invalid. This is a fault of the ${fault.program === CPU ? 'host' : 'program'}: no peer and no link is blamed.`,
    pairsFor: faulty
      .slice(0, MAX_LISTED_PAIRS)
      .map(({ result: { source, destination } }) => ({ source, destination })),
    pairCount: faulty.length,
  })
}

/** Returns each node to which most of its pairs attribute a wrong count, with these pairs: the worst node first. */
const byElimination = (
  results: readonly PairResult[],
  ambiguous: readonly Faulty[],
): [string, Faulty[]][] => {
  const found: [string, Faulty[]][] = []
  let rest = [...ambiguous]
  while (rest.length > 0) {
    const counts = new Map<string, Faulty[]>()
    for (const each of rest) {
      for (const { node } of [each.result.source, each.result.destination])
        counts.set(node, [...(counts.get(node) ?? []), each])
    }
    const [node, own] = [...counts].reduce((most, next) => (next[1].length > most[1].length ? next : most))
    const known = results.filter((result) => result.values !== undefined && concerns(result, node)).length
    if (own.length < MIN_PAIRS || own.length < MIN_RATIO * known) break
    found.push([node, own])
    rest = rest.filter(({ result }) => !concerns(result, node))
  }
  return found
}

/** Results of a node that had too little processor time in several of its pairs say nothing about the network. */
export const withoutStarvedNodes = (results: readonly PairResult[]): readonly PairResult[] => {
  const starved = findPrograms(results).filter(({ program }) => program === CPU)
  if (starved.length === 0) return results
  return results.filter((result) => !starved.some(({ node }) => concerns(result, node)))
}

/** Returns one verdict for each program of a node that failed in several pairs. */
export const findPrograms = (results: readonly PairResult[]): Verdict[] => {
  const faulty = results.flatMap((result): Faulty[] =>
    result.programFault ? [{ result, fault: result.programFault }] : [],
  )
  if (faulty.length === 0) return []
  const groups = Map.groupBy(faulty, ({ fault: { node, program } }) => `${node} ${program}`)
  const known = [...groups].flatMap(([, own]): [string, Faulty[]][] => {
    const { node } = own[0]!.fault
    return node === '' ? [] : [[node, own]]
  })
  const ambiguous = faulty.filter(({ fault }) => fault.node === '')
  return [...known, ...byElimination(results, ambiguous)].flatMap(([node, own]) => {
    const pairCount = results.filter((result) => concerns(result, node)).length
    return own.length >= Math.min(MIN_PAIRS, pairCount) ? [programVerdict(node, own, pairCount)] : []
  })
}
