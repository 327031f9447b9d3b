/** Statements about classes of nodes that reach a lower rate than others: a note or one verdict, never one per node. */

import { median } from '../../lib/statistics.ts'
import { formatBitrate } from '../../lib/units.ts'
import { interfaceKey } from '../inventory/keys.ts'
import type { NodeClass } from './classes.ts'
import { classOfPair, type JudgedFabric } from './fabrics.ts'
import { isBad, type Sample } from './samples.ts'
import type { Parameters } from './thresholds.ts'
import { createVerdict, type Verdict } from './verdict.ts'
import { proof } from './verdicts.ts'

/** What is known about an interface besides its results. Empty where it is not known. */
export type InterfaceFacts = { readonly driver: string; readonly firmwareVersion: string }

/** A class that is slower than the fastest one: a verdict, or a note when the reported speeds explain it. */
export type ClassFinding = {
  readonly verdict: Verdict | undefined
  readonly note: string | undefined
  readonly pairs: readonly Sample[]
}

type Known = {
  readonly racks: ReadonlyMap<string, string>
  readonly interfaces: ReadonlyMap<string, InterfaceFacts>
  readonly parameters: Parameters
}

/** Several nodes at nearly the same level, far from the others, are not there by chance. */
const CLASS_CONFIDENCE = 0.99

/** Speeds explain a class that reaches at least this ratio of its speed, compared with the fastest class. */
const EXPLAINED_RATIO = 0.7

const MAX_NAMES = 8

const listed = (nodes: readonly string[]): string =>
  nodes.length <= MAX_NAMES
    ? nodes.join(', ')
    : `${nodes.slice(0, MAX_NAMES).join(', ')} and ${nodes.length - MAX_NAMES} more`

const compareNames = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true })

/** Returns what all nodes of the class have in common and no node outside of it has: `rack r2 and driver e1000`. */
const sharedBy = (
  nodes: readonly string[],
  others: readonly string[],
  factsOf: readonly (readonly [string, (node: string) => string | undefined])[],
): string =>
  factsOf
    .flatMap(([name, factOf]) => {
      const values = new Set(nodes.map(factOf))
      const [value] = values
      const isShared = values.size === 1 && value && !others.some((other) => factOf(other) === value)
      return isShared ? [`${name} ${value}`] : []
    })
    .join(', ')

const rateOf = (pairs: readonly Sample[]): number | undefined =>
  median(pairs.flatMap(({ bitsPerSecond }) => bitsPerSecond ?? []))

/** Whether a class reaches as much of its reported speed as the fastest class does. */
const isExplained = (slow: NodeClass, fast: NodeClass, slowRate: number, fastRate: number): boolean =>
  slow.speed !== undefined &&
  fast.speed !== undefined &&
  slowRate / slow.speed >= EXPLAINED_RATIO * (fastRate / fast.speed)

/** Returns the classes of a fabric that reach clearly less than the fastest one. */
export const findSlowClasses = (fabric: JudgedFabric, known: Known): ClassFinding[] => {
  const { samples, classes } = fabric
  if (classes.length < 2) return []
  const name = samples[0]!.sourceInterface
  const pairsOf = Map.groupBy(samples, classOfPair(classes))
  const [fast, ...slower] = classes
  const fastRate = rateOf(pairsOf.get(0) ?? [])
  if (fastRate === undefined) return []
  const all = classes.flatMap(({ nodes }) => [...nodes])
  const factOf = (fact: keyof InterfaceFacts) => (node: string) =>
    known.interfaces.get(interfaceKey({ node, interface: name }))?.[fact]
  return slower.flatMap((slow, index): ClassFinding[] => {
    const pairs = (pairsOf.get(index + 1) ?? []).filter((sample) => !isBad(sample))
    const rate = rateOf(pairs)
    if (rate === undefined || rate >= known.parameters.slowRatio * fastRate) return []
    const nodes = [...slow.nodes].sort(compareNames)
    const rates = `${nodes.length} of ${all.length} nodes reach ${formatBitrate(rate)} on ${name}, ${fast!.nodes.size} reach ${formatBitrate(fastRate)}`
    if (isExplained(slow, fast!, rate, fastRate)) {
      const speeds = `${formatBitrate(slow.speed!)} and ${formatBitrate(fast!.speed!)}`
      const note = `${rates}: their links report ${speeds} (${listed(nodes)}).`
      return [{ verdict: undefined, note, pairs }]
    }
    const others = all.filter((node) => !slow.nodes.has(node))
    const shared = sharedBy(nodes, others, [
      ['rack', (node) => known.racks.get(node)],
      ['speed', (node) => (slow.speed && slow.nodes.has(node) ? formatBitrate(slow.speed) : undefined)],
      ['driver', factOf('driver')],
      ['firmware', factOf('firmwareVersion')],
    ])
    const common = shared
      ? `Only these nodes have ${shared}.`
      : 'Rack, speed, driver and firmware, as far as known, do not tell them apart.'
    const text = `${rates}. The slower ones are ${listed(nodes)}. ${common}`
    const verdict = createVerdict({
      kind: 'class',
      interface: name,
      nodes,
      confidence: CLASS_CONFIDENCE,
      ...proof(pairs, [], text),
    })
    return [{ verdict, note: undefined, pairs }]
  })
}
