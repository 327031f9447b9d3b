import { expect, test } from 'vitest'
import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { addressesOf } from '../dispatch/pass.ts'
import { sampleNode } from '../inventory/testing/nodes.ts'
import { createPingTest, createRunSpec } from '../plan/effective-run-spec.ts'
import { prepareRun } from './prepare.ts'

const fleet = [1, 2, 3, 4].map((number) =>
  sampleNode(`h${number}`, {
    net0: [`10.0.0.${number}/24`, `10.8.0.${number}/24`],
    net1: [`10.1.0.${number}/24`, `fd00::${number}/64`],
  }),
)

/** The pairs of a matrix, as `source address → destination address`. */
const matrix = (clients: string[], servers: string[]): string[] => {
  const topology = Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_MATRIX, clients, servers })
  const planned = prepareRun(createRunSpec({ topology, test: createPingTest() }), fleet)
  return Array.from(planned.sources, (_, pair) => {
    const { source, destination } = addressesOf(planned, pair)!
    return `${source} → ${destination}`
  })
}

test('a matrix of addresses measures these and no others', () => {
  expect(matrix(['10.0.0.1', '10.0.0.2'], ['10.0.0.3', '10.0.0.4'])).toEqual([
    '10.0.0.1 → 10.0.0.3',
    '10.0.0.1 → 10.0.0.4',
    '10.0.0.2 → 10.0.0.3',
    '10.0.0.2 → 10.0.0.4',
  ])
  expect(matrix(['FD00:0::1'], ['fd00::[2-3]'])).toEqual(['fd00::1 → fd00::2', 'fd00::1 → fd00::3'])
  // Of two addresses of an interface, the named one.
  expect(matrix(['10.8.0.1'], ['10.8.0.2'])).toEqual(['10.8.0.1 → 10.8.0.2'])
})

test('a node that is named is measured on all its interfaces', () => {
  expect(matrix(['h1'], ['h2'])).toEqual(['10.0.0.1 → 10.0.0.2', '10.1.0.1 → 10.1.0.2'])
  expect(matrix(['h1'], ['10.1.0.2'])).toEqual(['10.1.0.1 → 10.1.0.2'])
  expect(matrix(['10.0.0.1', 'h1'], ['h2'])).toHaveLength(2)
})

test('addresses on interfaces of different names have no pair', () => {
  expect(() => matrix(['10.0.0.1'], ['10.1.0.2'])).toThrow(
    /no client and server have their addresses on interfaces/,
  )
})
