import { expect, test } from 'vitest'
import type { FleetNode } from '../../inventory/node.ts'
import { sampleNode } from '../../inventory/testing/nodes.ts'
import { createMeshSpec } from './mesh-spec.ts'
import { createPlanner } from './planner.ts'

const nodeOf = (name: string, address: string): FleetNode => sampleNode(name, { net0: [`${address}/24`] })

test('of two meshes with the same paths, the second one takes them over when the first ends', () => {
  const ids = new Map<string, number>()
  const idOf = (key: object) => {
    const name = JSON.stringify(key)
    ids.set(name, ids.get(name) ?? ids.size + 1)
    return ids.get(name)!
  }
  const planner = createPlanner(idOf, {
    get: (node) => [node === 'node-1' ? '10.0.0.1' : '10.0.0.2'],
    set: () => undefined,
  })
  planner.setFleet([nodeOf('node-1', '10.0.0.1'), nodeOf('node-2', '10.0.0.2')])
  const spec = createMeshSpec({ interfaces: ['net0'] })
  planner.set('first', spec)
  planner.set('second', spec)
  const meshes = () =>
    [...planner.changes(0)].flatMap(({ plan }) => [...plan!.targets.values()].map(({ mesh }) => mesh))
  expect(meshes()).toEqual(['first', 'first'])
  planner.set('first', undefined)
  expect(meshes()).toEqual(['second', 'second'])
  expect(meshes()).toEqual([])
})

/** Returns a planner for the nodes, and a function for the window lengths of the changed plans in seconds. */
const planWindows = (nodes: readonly FleetNode[]) => {
  const ids = new Map<string, number>()
  const idOf = (key: object) => {
    const name = JSON.stringify(key)
    ids.set(name, ids.get(name) ?? ids.size + 1)
    return ids.get(name)!
  }
  const known = new Map<string, readonly string[]>()
  const planner = createPlanner(idOf, {
    get: (node, name) => known.get(`${node} ${name}`) ?? [],
    set: (node, name, addresses) => known.set(`${node} ${name}`, addresses),
  })
  planner.setFleet(nodes)
  const lengths = () => [...planner.changes(0)].map(({ plan }) => plan!.assignment.window!.seconds)
  return { planner, lengths }
}

test('a second large mesh extends the windows of the first one', () => {
  const names = Array.from({ length: 165 }, (_, index) => `node-${index}`)
  const { planner, lengths } = planWindows(names.map((name, index) => nodeOf(name, `10.0.0.${index + 1}`)))
  const spec = createMeshSpec({ interfaces: ['net0'], windowSeconds: 1 })
  // 165 * 164 windows per second exceed the limit slightly.
  planner.set('first', spec)
  expect(new Set(lengths())).toEqual(new Set([2]))
  planner.set('second', spec)
  expect(lengths()).toEqual(names.map(() => 5))
  planner.set('second', undefined)
  expect(lengths()).toEqual(names.map(() => 2))
})

test('only paths between interfaces of the same name count for the window length', () => {
  const nodes = Array.from({ length: 100 }, (_, index) => {
    const name = `net${index % 10}`
    return sampleNode(`node-${index}`, { [name]: [`10.0.${index % 10}.${index + 1}/24`] })
  })
  const { planner, lengths } = planWindows(nodes)
  planner.set('all', createMeshSpec({ windowSeconds: 1 }))
  expect(lengths()).toEqual(nodes.map(() => 1))
  expect([...planner.meshes()].map(planner.problemsOf)).toEqual([[]])
})

test('an interface that was removed is not probed, and one that is down is', () => {
  const known = new Map<string, readonly string[]>()
  const planner = createPlanner((key) => key.source.charCodeAt(0) * 256 + key.destination.charCodeAt(0), {
    get: (node, name) => known.get(`${node} ${name}`) ?? [],
    set: (node, name, addresses) => known.set(`${node} ${name}`, addresses),
  })
  const others = ['b', 'c'].map((name, index) => nodeOf(name, `10.0.0.${index + 2}`))
  const pathsOf = (first: FleetNode) => {
    planner.setFleet([first, ...others])
    for (const _ of planner.changes(0));
    return [...planner.meshes()].flatMap(({ members }) => [...(members.endpoints.get('net0')?.keys() ?? [])])
  }
  planner.set('all', createMeshSpec())
  expect(pathsOf(nodeOf('a', '10.0.0.1'))).toEqual(['a', 'b', 'c'])
  expect(pathsOf(sampleNode('a', { net0: [] }))).toEqual(['a', 'b', 'c'])
  expect(pathsOf(sampleNode('a', { eth9: ['10.0.0.1/24'] }))).toEqual(['b', 'c'])
})
