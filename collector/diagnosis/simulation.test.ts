import { describe, expect, test } from 'vitest'
import { createRandom, type Random, shuffle } from '../topology/random.ts'
import { shiftPairs } from '../topology/topology.ts'
import { createModelFabric, diagnoseFabric, meshOf, type NodeFault, nodeName } from './testing/model.ts'
import type { Verdict } from './verdict.ts'

/**
 * Precision and recall on a model fabric. A pair gets the lesser of what its two nodes can do. A bad direction has 0.6 of
 * the line rate. Noise is 2 %. An ECMP collision halves a flow. Suspects are measured again.
 */
type Trial = { nodes: number; shifts: number | 'mesh'; collisions: number; noise: number; trials: number }

const FAULTY_NODES = 5

const chooseShifts = (nodes: number, count: number, random: Random): number[] =>
  shuffle(
    Array.from({ length: nodes - 1 }, (_, index) => index + 1),
    random,
  ).slice(0, count)

const chooseFaults = (nodes: number, random: Random): NodeFault[] =>
  shuffle(
    Array.from({ length: nodes }, (_, index) => index),
    random,
  )
    .slice(0, FAULTY_NODES)
    .map((node) => ({ node, direction: random() < 0.5 ? 'tx' : 'rx', share: 0.6 }))

const accuses = ({ node, direction }: NodeFault, verdict: Verdict): boolean =>
  verdict.kind === 'interface' &&
  verdict.node === nodeName(node) &&
  verdict.direction === (direction === 'tx' ? 'tx' : 'rx')

const verdictsOf = (
  { nodes, shifts, noise, collisions }: Trial,
  faults: NodeFault[],
  random: Random,
): Verdict[] => {
  const pairs = shifts === 'mesh' ? meshOf(nodes) : shiftPairs(nodes, chooseShifts(nodes, shifts, random))
  return diagnoseFabric(createModelFabric(nodes, faults, noise, collisions), pairs, random, 4 * nodes)
}

describe('injected faults', () => {
  test.each<Trial>([
    { nodes: 64, shifts: 'mesh', collisions: 0.1, noise: 0.02, trials: 10 },
    { nodes: 256, shifts: 'mesh', collisions: 0.1, noise: 0.02, trials: 2 },
    { nodes: 64, shifts: 7, collisions: 0.1, noise: 0.02, trials: 60 },
    { nodes: 128, shifts: 7, collisions: 0.05, noise: 0.02, trials: 40 },
    { nodes: 256, shifts: 7, collisions: 0.1, noise: 0.02, trials: 40 },
    { nodes: 256, shifts: 5, collisions: 0.1, noise: 0.02, trials: 40 },
    { nodes: 64, shifts: 'mesh', collisions: 0, noise: 0.15, trials: 20 },
  ])('$nodes nodes, $shifts, $collisions collisions, noise $noise', (trial) => {
    let found = 0
    let accused = 0
    let injected = 0
    for (let seed = 0; seed < trial.trials; seed++) {
      const random = createRandom(seed * 1000 + trial.nodes)
      const faults = chooseFaults(trial.nodes, random)
      const verdicts = verdictsOf(trial, faults, random)
      found += faults.filter((fault) => verdicts.some((verdict) => accuses(fault, verdict))).length
      accused += verdicts.length
      injected += faults.length
    }
    const precision = found / accused
    const recall = found / injected
    console.log(
      `${trial.nodes} nodes, ${trial.shifts}: precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}`,
    )
    expect(precision).toBeGreaterThanOrEqual(0.99)
    expect(recall).toBeGreaterThanOrEqual(0.99)
  })
})

describe('no fault, no verdict', () => {
  test.each<Trial>([
    { nodes: 6, shifts: 'mesh', collisions: 0, noise: 0.02, trials: 300 },
    { nodes: 6, shifts: 'mesh', collisions: 0, noise: 0.05, trials: 300 },
    { nodes: 64, shifts: 'mesh', collisions: 0.1, noise: 0.02, trials: 20 },
    { nodes: 64, shifts: 'mesh', collisions: 0, noise: 0.1, trials: 20 },
    { nodes: 64, shifts: 7, collisions: 0.1, noise: 0.02, trials: 100 },
    { nodes: 256, shifts: 7, collisions: 0.1, noise: 0.02, trials: 20 },
  ])('$nodes nodes, $shifts, $collisions collisions, noise $noise', (trial) => {
    for (let seed = 0; seed < trial.trials; seed++) {
      expect(verdictsOf(trial, [], createRandom(seed)).map(({ message }) => message)).toEqual([])
    }
  })
})
