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
