import { describe, expect, it } from 'vitest'
import { managementGateway, overlapsManagement } from './addresses.ts'
import { LabError } from './lab-error.ts'
import { buildSteps, type LabOptions, labNodes, labOfNamespace, labShape, nodeNamespace } from './topology.ts'

const problemsOf = (options: LabOptions): readonly string[] => {
  try {
    labShape(options)
  } catch (error) {
    if (error instanceof LabError) return error.problems
    throw error
  }
  return []
}

describe('the shape of a lab', () => {
  it('is six nodes at 1 Gbit/s by default', () => {
    expect(labShape({})).toEqual({
      nodes: 6,
      racks: 1,
      uplinkBitsPerSecond: 'unlimited',
      rateBitsPerSecond: 1e9,
    })
  })

  it('is refused with all its problems', () => {
    expect(problemsOf({ nodes: 1001, racks: 0, rateBitsPerSecond: 0, uplinkBitsPerSecond: -1 })).toEqual([
      'nodes: 1001 is not a whole number from 2 to 1000',
      'racks: 0 is not a whole number from 1 to the number of nodes (1001)',
      'rate: 0 bit/s is below 8 kbit/s',
      'uplink rate: -1 bit/s is below 8 kbit/s',
    ])
    expect(problemsOf({ uplinkBitsPerSecond: 1e9 })).toEqual([
      'uplink rate: a lab with one rack has no uplink; use two racks or more',
    ])
  })

  it('spreads nodes evenly over racks', () => {
    const racks = labNodes(0, labShape({ nodes: 10, racks: 4 })).map((node) => node.rack)
    const sizes = [1, 2, 3, 4].map((rack) => racks.filter((name) => name === `rack-${rack}`).length)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(10)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
  })

  it('gives every interface of the largest lab a unique address and a name that Linux accepts', () => {
    const shape = labShape({ nodes: 1000, racks: 1000 })
    const nodes = labNodes(63, shape)
    const addresses = nodes.flatMap((node) => [
      node.management,
      ...node.interfaces.map(({ address }) => address),
    ])
    expect(new Set([...addresses, managementGateway(63)]).size).toBe(3001)
    const steps = buildSteps(63, shape, nodes)
    const lines = [...steps.machine, ...steps.namespaces.flatMap(({ ip }) => ip)]
    const names = lines.flatMap(
      (line) => /^link add (\S+) .*?(?:peer name (\S+))?/.exec(line)?.slice(1, 3) ?? [],
    )
    expect(
      Math.max(...names.filter((name) => name !== undefined).map((name) => name.length)),
    ).toBeLessThanOrEqual(15)
  })
})

describe('the names and addresses of a lab', () => {
  it('are distinguished from names that are not of a lab', () => {
    expect(labOfNamespace(nodeNamespace(7, 12))).toBe(7)
    expect(labOfNamespace('mg7-switch')).toBe(7)
    for (const other of ['mg-switch', 'mg7-node-x', 'xmg7-switch', 'mg7-switch-2', 'rec-a']) {
      expect(labOfNamespace(other)).toBeUndefined()
    }
  })

  it.each([
    ['198.19.0.0/22', 0, true],
    ['198.19.3.255', 0, true],
    ['198.18.0.0/15', 5, true],
    ['198.19.4.0/24', 0, false],
    ['198.19.4.0/24', 1, true],
    ['10.0.0.0/8', 0, false],
    // A default route does not mean that the address is in use.
    ['default', 0, false],
    ['128.0.0.0/1', 0, false],
  ])('%s collides with lab %i: %s', (route, lab, expected) => {
    expect(overlapsManagement(route, lab)).toBe(expected)
  })
})
