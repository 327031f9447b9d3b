import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { topologies, topologyOfKind } from './registry.ts'
import { createPairs, type Topology, type TopologyInput } from './topology.ts'

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index + 1}`)

/** The pairs as text, `n1→n2`, after checking that nothing is wrong with the input. */
const pairsOf = (topology: Topology, input: TopologyInput): string[] => {
  const { pairs, violations } = createPairs(topology, input)
  expect(violations).toEqual([])
  return [...pairs.sources].map(
    (source, pair) => `${input.nodes[source]}→${input.nodes[pairs.destinations[pair]!]}`,
  )
}

const problems = (topology: Topology, input: TopologyInput): string[] => {
  const { pairs, violations } = createPairs(topology, input)
  if (violations.length > 0) expect(pairs.sources).toHaveLength(0)
  return violations.map(({ field, description }) => `${field}: ${description}`)
}

describe('pairs', () => {
  test('in a ring each node sends to the next one, the last to the first', () => {
    expect(pairsOf(topologies.ring, { nodes: names(3) })).toEqual(['n1→n2', 'n2→n3', 'n3→n1'])
    expect(pairsOf(topologies.ring, { nodes: names(2) })).toEqual(['n1→n2', 'n2→n1'])
  })

  test('a mesh has each directed pair once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), (count) => {
        const pairs = pairsOf(topologies.mesh, { nodes: names(count) })
        expect(pairs).toHaveLength(count * (count - 1))
        expect(new Set(pairs).size).toBe(pairs.length)
        expect(pairs.filter((pair) => pair.split('→')[0] === pair.split('→')[1])).toEqual([])
      }),
      { numRuns: 20 },
    )
  })

  test('the pairs of a mesh of 1,000 nodes take 8 MB', () => {
    const { pairs } = createPairs(topologies.mesh, { nodes: names(1000) })
    expect(pairs.sources.byteLength + pairs.destinations.byteLength).toBe(8 * 999_000)
  })

  test('a star has pairs in both directions', () => {
    expect(pairsOf(topologies.star, { nodes: names(3), center: 'n2' }).sort()).toEqual([
      'n1→n2',
      'n2→n1',
      'n2→n3',
      'n3→n2',
    ])
  })

  test('a matrix has no node paired with itself, and counts a repeated name once', () => {
    const input = { nodes: names(4), clients: ['n1', 'n2', 'n1'], servers: ['n2', 'n4', 'n4'] }
    expect(pairsOf(topologies.matrix, input)).toEqual(['n1→n2', 'n1→n4', 'n2→n4'])
  })

  test('shifts are distinct and repeatable, and a small fleet has all of them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (count, seed) => {
        const input = { nodes: names(count), seed }
        const pairs = pairsOf(topologies.shifts, input)
        expect(pairs).toHaveLength(count * Math.min(7, count - 1))
        expect(new Set(pairs).size).toBe(pairs.length)
        expect(pairsOf(topologies.shifts, input)).toEqual(pairs)
      }),
      { numRuns: 30 },
    )
    const other = (seed: number) => pairsOf(topologies.shifts, { nodes: names(50), shiftCount: 3, seed })
    expect(other(1)).not.toEqual(other(2))
  })

  test('a list of pairs keeps its order', () => {
    const pairs = [
      { source: 'n3', destination: 'n1' },
      { source: 'n1', destination: 'n3' },
    ]
    expect(pairsOf(topologies.pairs, { nodes: names(3), pairs })).toEqual(['n3→n1', 'n1→n3'])
  })

  test('every kind of the protocol has a topology', () => {
    const kinds = Object.values(TopologyKind).filter((kind) => typeof kind === 'number' && kind > 0)
    expect(kinds.map((kind) => topologyOfKind(kind)?.kind)).toEqual(kinds)
    expect(topologyOfKind(TopologyKind.TOPOLOGY_KIND_UNSPECIFIED)).toBeUndefined()
  })
})

describe('violations', () => {
  test('are all reported at once', () => {
    expect(problems(topologies.star, { nodes: ['n1', 'n1'], center: 'n9' })).toEqual([
      'nodes[1]: n1 is listed twice',
      'nodes: at least 2 nodes are needed, there is 1',
      'center: n9 is not among the nodes',
    ])
    expect(problems(topologies.mesh, { nodes: [] })).toEqual([
      'nodes: at least 2 nodes are needed, there are 0',
    ])
    expect(problems(topologies.star, { nodes: names(2) })).toEqual([
      'center: a star needs the name of the node in its middle',
    ])
  })

  test('shifts', () => {
    expect(problems(topologies.shifts, { nodes: names(4), shiftCount: 4 })).toEqual([
      'shift_count: 4 nodes have only 3 shifts, not 4',
    ])
    expect(problems(topologies.shifts, { nodes: names(4), shiftCount: -1 })).toEqual([
      'shift_count: -1 is not a whole number from 0',
    ])
  })

  test('matrix', () => {
    expect(problems(topologies.matrix, { nodes: names(2), clients: [], servers: ['n2', 'n7'] })).toEqual([
      'clients: a matrix needs at least one client',
      'servers[1]: n7 is not among the nodes',
    ])
    expect(problems(topologies.matrix, { nodes: names(2), clients: ['n1'], servers: ['n1', 'n1'] })).toEqual([
      'servers: no pair is left: n1 is the only client and the only server',
    ])
  })

  test('pairs', () => {
    const pairs = [
      { source: 'n1', destination: 'n2' },
      { source: 'n2', destination: 'n2' },
      { source: 'n1', destination: 'n8' },
      { source: 'n1', destination: 'n2' },
    ]
    expect(problems(topologies.pairs, { nodes: names(2), pairs })).toEqual([
      'pairs[1]: n2 is paired with itself',
      'pairs[2].destination: n8 is not among the nodes',
      'pairs[3]: n1 → n2 is also pairs[0]',
    ])
    expect(problems(topologies.pairs, { nodes: names(2) })).toEqual(['pairs: the list of pairs is empty'])
  })
})
