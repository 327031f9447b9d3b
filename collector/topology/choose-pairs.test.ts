import { expect, test } from 'vitest'
import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { createNode } from '../inventory/node.ts'
import { choosePairs } from './choose-pairs.ts'

const fleet = ['a', 'b', 'c', 'd'].map((name) => createNode({ name, rack: name < 'c' ? 'r1' : 'r2' }))

const choose = (request: Parameters<typeof Topology.fromPartial>[0]) => {
  const { nodes, pairs, violations } = choosePairs(Topology.fromPartial(request), fleet)
  const name = (index: number) => nodes[index]!.name
  return {
    pairs: [...pairs.sources].map((source, pair) => `${name(source)}→${name(pairs.destinations[pair]!)}`),
    problems: violations.map(({ field, description }) => `${field}: ${description}`),
  }
}

test('without selectors, nodes means the whole fleet', () => {
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_RING }).pairs).toEqual(['a→b', 'b→c', 'c→d', 'd→a'])
})

test('each topology resolves the lists that it uses', () => {
  const kind = TopologyKind.TOPOLOGY_KIND_MATRIX
  expect(choose({ kind, clients: ['rack=r1'], servers: ['d'] }).pairs).toEqual(['a→d', 'b→d'])
  const pairs = [{ source: 'd', destination: 'b' }]
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_PAIRS, pairs }).pairs).toEqual(['d→b'])
})

test('problems name the field of the request', () => {
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_UNSPECIFIED }).problems).toEqual([
    'topology.kind: one of ring, mesh, matrix, star, shifts, pairs is needed',
  ])
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_MATRIX, clients: ['a'] }).problems).toEqual([
    'topology.servers: a matrix needs at least one server',
  ])
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_MESH, nodes: ['a', 'nowhere'] }).problems).toEqual([
    'topology.nodes[1]: "nowhere" names no node of the fleet; the fleet has 4 nodes',
  ])
  const pairs = [{ source: 'a', destination: 'x' }]
  expect(choose({ kind: TopologyKind.TOPOLOGY_KIND_PAIRS, pairs }).problems).toEqual([
    'topology.pairs[0].destination: x is not among the nodes',
  ])
})

test('the names of a pair may be lists of Slurm of equal length, or one name and a list', () => {
  const names = ['n1', 'n2', 'n3', 'n4'].map((name) => createNode({ name }))
  const pairsOf = (source: string, destination: string) => {
    const topology = Topology.fromPartial({
      kind: TopologyKind.TOPOLOGY_KIND_PAIRS,
      pairs: [{ source, destination }],
    })
    const { nodes, pairs, violations } = choosePairs(topology, names)
    return {
      pairs: Array.from(
        pairs.sources,
        (from, pair) => `${nodes[from]!.name} ${nodes[pairs.destinations[pair]!]!.name}`,
      ),
      violations,
    }
  }
  expect(pairsOf('n[1-2]', 'n[3-4]').pairs).toEqual(['n1 n3', 'n2 n4'])
  expect(pairsOf('n1', 'n[2-4]').pairs).toEqual(['n1 n2', 'n1 n3', 'n1 n4'])
  expect(pairsOf('n[1-2]', 'n[2-4]').violations).toEqual([
    { field: 'topology.pairs[0]', description: 'n[1-2] has 2 nodes and n[2-4] has 3' },
  ])
})
