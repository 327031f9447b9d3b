import type { PairResult } from '../dispatch/pair-result.ts'
import { findClasses, type NodeClass } from './classes.ts'
import { judgeAcrossRacks, judgePings, judgeRates, judgeResent } from './levels.ts'
import { type Sample, toSample } from './samples.ts'
import { defaultHeuristics, type Parameters, type Thresholds } from './thresholds.ts'

/** The pairs from interfaces of one name to interfaces of one name, each judged within its link class. */
export type JudgedFabric = {
  readonly samples: readonly Sample[]
  /** The classes of its nodes, the fastest first. */
  readonly classes: readonly NodeClass[]
}

const groupBy = <T, K>(items: readonly T[], keyOf: (item: T) => K): T[][] => [
  ...Map.groupBy(items, keyOf).values(),
]

/** Returns a function for the class of a pair: that of its slower end. */
export const classOfPair = (classes: readonly NodeClass[]): ((sample: Sample) => number) => {
  const indexes = new Map(
    classes.flatMap(({ nodes }, index) => [...nodes].map((node) => [node, index] as const)),
  )
  return ({ source, destination }) => Math.max(indexes.get(source) ?? 0, indexes.get(destination) ?? 0)
}

/** Returns the groups of pairs that can be compared: of one class, and inside or across racks where both are large. */
const comparable = (samples: readonly Sample[], { minClassSize }: Parameters): (readonly Sample[])[] => {
  const groups = groupBy(samples, ({ reach }) => reach)
  return groups.every(({ length }) => length >= minClassSize) ? groups : [samples]
}

/** Judges the rates and the repeated segments of iperf tests. Returns the classes of nodes that the rates show. */
const judgeBulk = (samples: readonly Sample[], parameters: Parameters): readonly NodeClass[] => {
  const classes = findClasses(samples, parameters)
  for (const ofClass of groupBy(samples, classOfPair(classes))) {
    for (const group of comparable(ofClass, parameters)) {
      judgeRates(group, parameters)
      judgeResent(group, parameters)
    }
  }
  if (parameters.comparesAcrossRacks) judgeAcrossRacks(samples, parameters)
  return classes
}

const judgeFabric = (samples: readonly Sample[], parameters: Parameters): JudgedFabric => {
  const isBulk = samples.some(
    ({ bitsPerSecond, resentRatio }) => bitsPerSecond !== undefined || resentRatio !== undefined,
  )
  const classes = isBulk ? judgeBulk(samples, parameters) : []
  for (const group of comparable(samples, parameters)) judgePings(group, parameters)
  return { samples, classes }
}

/** Returns the fabrics of a run, with the faults of their pairs. */
export const judgeFabrics = (
  results: readonly PairResult[],
  racks: ReadonlyMap<string, string>,
  parameters: Thresholds & Partial<Parameters>,
  reversed = false,
): JudgedFabric[] => {
  const complete = { ...defaultHeuristics, ...parameters }
  const samples = results.flatMap((result) => toSample(result, racks, reversed) ?? [])
  const fabrics = groupBy(samples, ({ sourceInterface }) => sourceInterface).flatMap((from) =>
    groupBy(from, ({ destinationInterface }) => destinationInterface),
  )
  return fabrics.map((fabric) => judgeFabric(fabric, complete))
}
