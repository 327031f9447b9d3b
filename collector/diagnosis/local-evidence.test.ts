import { describe, expect, test } from 'vitest'
import { createNode, type FleetNode, type HostInterface, type NodeDescription } from '../inventory/node.ts'
import { findLocalEvidence } from './local-evidence.ts'

type Link = Partial<HostInterface> & { name: string }

const nodeOf = (name: string, links: readonly Link[]): FleetNode => {
  const interfaces = links.map((link) => ({
    addresses: [],
    speedBitsPerSecond: 25e9,
    mtuBytes: 9000,
    state: 'up',
    driver: 'mlx5_core',
    duplex: 'full',
    ...link,
  }))
  return createNode({
    name,
    state: 'ready',
    description: { interfaces } as unknown as NodeDescription,
    interfaces: links.map((link) => link.name),
  })
}

/** Nodes h1, h2, … with net1 in 198.18.4.0/22. `changed` is about h2. */
const fleetOf = (count: number, changed: Partial<HostInterface>, more: readonly Link[] = []): FleetNode[] =>
  Array.from({ length: count }, (_, index) => {
    const own = { name: 'net1', addresses: [`198.18.4.${index + 1}/22`] }
    return nodeOf(`h${index + 1}`, index === 1 ? [{ ...own, ...changed }, ...more] : [own])
  })

const textsOf = (nodes: readonly FleetNode[]): string[] =>
  findLocalEvidence(nodes, ['net1']).map(({ text }) => text)

describe('one interface unlike its peers', () => {
  test.each<[string, Partial<HostInterface>, string]>([
    ['an interface that is down', { state: 'down' }, 'h2 net1 is down'],
    ['a smaller MTU', { mtuBytes: 1500 }, 'h2 net1 has MTU 1500, its 7 peers 9000'],
    ['a larger MTU', { mtuBytes: 9216 }, 'h2 net1 has MTU 9216, its 7 peers 9000'],
    [
      'a lower speed',
      { speedBitsPerSecond: 1e9 },
      'h2 net1 has link speed 1.00 Gbit/s, its 7 peers 25.0 Gbit/s',
    ],
    ['half duplex', { duplex: 'half' }, 'h2 net1 is half duplex, its 7 peers are full duplex'],
    [
      'an address outside the network',
      { addresses: ['198.18.40.2/22'] },
      'h2 net1 has 198.18.40.2/22, outside 198.18.4.0/22, the network of its 7 peers',
    ],
    [
      'a shorter network',
      { addresses: ['198.18.4.2/24'] },
      'h2 net1 has 198.18.4.2/24, its 7 peers have prefix length 22',
    ],
    [
      'a larger network',
      { addresses: ['198.18.4.2/16'] },
      'h2 net1 has 198.18.4.2/16, its 7 peers have prefix length 22',
    ],
  ])('%s', (_, changed, text) => {
    expect(textsOf(fleetOf(8, changed))).toEqual([text])
  })

  test('one address of several in the network of the peers is enough', () => {
    expect(textsOf(fleetOf(8, { addresses: ['10.88.0.2/24', '198.18.4.2/22'] }))).toEqual([])
  })

  test('with IPv6', () => {
    const nodes = fleetOf(4, {}).map((node, index) =>
      nodeOf(node.name, [
        { name: 'net1', addresses: [index === 1 ? 'fd00:2::2/64' : `fd00:1::${index + 1}/64`] },
      ]),
    )
    expect(textsOf(nodes)).toEqual([
      'h2 net1 has fd00:2::2/64, outside fd00:1::/64, the network of its 3 peers',
    ])
  })
})

describe('nothing is reported', () => {
  test.each<[string, Partial<HostInterface>]>([
    ['of equal interfaces', {}],
    ['of a faster interface', { speedBitsPerSecond: 100e9 }],
    ['of an unknown speed', { speedBitsPerSecond: undefined }],
    ['of an unknown MTU', { mtuBytes: 0 }],
    ['of an unknown duplex', { duplex: 'unknown' }],
    ['of link-local addresses', { addresses: ['198.18.4.2/22', 'fe80::1/64'] }],
  ])('%s', (_, changed) => {
    expect(textsOf(fleetOf(8, changed))).toEqual([])
  })

  test('of a fleet with a network for each rack, or of two equal groups', () => {
    const nodes = Array.from({ length: 8 }, (_, index) =>
      nodeOf(`h${index}`, [
        {
          name: 'net1',
          addresses: [`10.0.${index < 5 ? 0 : 1}.${index}/24`],
          mtuBytes: index < 4 ? 1500 : 9000,
        },
      ]),
    )
    expect(textsOf(nodes)).toEqual([])
  })

  test('of a node whose agent is silent, and of interfaces that take no part', () => {
    const nodes = fleetOf(4, { mtuBytes: 1500 }, [{ name: 'net2', state: 'down' }])
    expect(textsOf(nodes)).toHaveLength(1)
    expect(textsOf(nodes.map((node, index) => (index === 1 ? { ...node, state: 'silent' } : node)))).toEqual(
      [],
    )
  })
})

test('two interfaces of a node in one network, also when tests use only one of them', () => {
  const found = findLocalEvidence(fleetOf(4, {}, [{ name: 'net2', addresses: ['198.18.4.102/22'] }]), [
    'net1',
  ])
  expect(found).toEqual([
    {
      problem: 'shared_network',
      node: 'h2',
      interfaces: ['net1', 'net2'],
      text: 'h2 has net1 and net2 in one network, 198.18.4.0/22: each answers for the other',
    },
  ])
})

test('a network inside a larger one is no conflict: the kernel prefers the longer prefix', () => {
  expect(textsOf(fleetOf(4, {}, [{ name: 'net2', addresses: ['198.18.0.1/15'] }]))).toEqual([])
})

test('an address of two nodes is reported for both', () => {
  expect(textsOf(fleetOf(4, { addresses: ['198.18.4.1/22'] }))).toEqual([
    'h1 net1 has 198.18.4.1, which h2 net1 has too',
    'h2 net1 has 198.18.4.1, which h1 net1 has too',
  ])
})

test('of two nodes, the one with the smaller MTU is named', () => {
  expect(textsOf(fleetOf(2, { mtuBytes: 1500 }))).toEqual(['h2 net1 has MTU 1500, its peer 9000'])
})
