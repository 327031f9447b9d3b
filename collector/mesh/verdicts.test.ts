import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { CulpritKind, FaultDirection, type Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import type { PathHealth } from './path-state.ts'
import type { Measured } from './paths.ts'
import { createPaths } from './paths.ts'
import { judgeMesh } from './verdicts.ts'

const NODES = ['n0', 'n1', 'n2', 'n3', 'n4']

/** A mesh of five nodes on two interfaces, where what `isDown` names is DOWN and nothing is measured of `isSilent`. */
const judge = (
  isDown: (source: string, destination: string, name: string) => boolean,
  trouble: Readonly<Record<string, string>>,
  downHealth: Partial<PathHealth> = {},
  before: readonly Verdict[] = [],
) => {
  const paths = createPaths({ random: () => 0.5, stateBefore: () => undefined })
  let id = 0
  for (const source of NODES) {
    for (const destination of NODES) {
      if (source === destination) continue
      for (const name of ['net0', 'net1']) {
        const key = { source, destination, interface: name }
        const target = { key, from: '', to: destination, address: '' }
        paths.take(++id, target, { mesh: 'mesh', patienceMs: 30_000, echoesPerSecond: 1 })
      }
    }
  }
  const measured = [...paths.all()].flatMap((path): Measured[] => {
    const { source, destination } = path
    if (trouble[`${source.node} ${source.interface}`]) return []
    const down = isDown(source.node, destination.node, source.interface)
    path.health.sentNow = 20
    if (down) Object.assign(path.health, downHealth)
    return [{ path, state: down ? PathState.PATH_STATE_DOWN : PathState.PATH_STATE_UP, isLoaded: false }]
  })
  return judgeMesh({
    measured,
    recent: paths.recent,
    silent: new Set(),
    troubleOf: (node, name) => trouble[`${node} ${name}`] ?? '',
    lossy: [],
    racks: new Map(),
    before,
    nowMs: 0,
  })
}

test('an interface that is down is cut off both ways, in the words of its own agent', () => {
  const verdicts = judge((_, to, name) => to === 'n2' && name === 'net0', { 'n2 net0': 'net0 is down' })
  expect(verdicts).toMatchObject([
    {
      kind: CulpritKind.CULPRIT_KIND_INTERFACE,
      node: 'n2',
      interface: 'net0',
      direction: FaultDirection.FAULT_DIRECTION_BOTH,
      message: 'n2 is cut off on net0: its agent says "net0 is down", and none of its 4 peers reaches it.',
    },
  ])
})

test('a node with all its interfaces down is one verdict', () => {
  const verdicts = judge((_, to) => to === 'n2', { 'n2 net0': 'net0 is down', 'n2 net1': 'net1 is down' })
  expect(verdicts).toMatchObject([
    {
      kind: CulpritKind.CULPRIT_KIND_NODE,
      node: 'n2',
      message:
        'n2 is cut off on net0 and net1: its agent says "net0 is down; net1 is down", and none of its 4 peers reaches it.',
    },
  ])
})

test('a node that cannot probe but is reached is not accused', () => {
  expect(judge(() => false, { 'n2 net0': 'fping is missing' })).toEqual([])
})

test('a path that was down, has answered and loses again is not called unreachable', () => {
  const [dead] = judge((from, to, name) => name === 'net1' && [from, to].includes('n2'), {})
  expect(dead!.message).toContain('cannot be reached')
  const [lossy] = judge(
    (from, to, name) => name === 'net1' && [from, to].includes('n2'),
    {},
    { answeredMs: 1000, lossMs: 2000, sentNow: 20, lostNow: 6 },
  )
  expect(lossy!.message).toMatch(/^n2 loses packets on net1: 30 % of its probes where its peers lose 0 %/)
})

test('what is left of a fault keeps who was blamed, and blames nobody anew', () => {
  const isOfNode = (from: string, to: string, name: string) => name === 'net1' && [from, to].includes('n2')
  const before = judge(isOfNode, {})
  const recovering = { answeredMs: 2000, lossMs: 1000 }
  const [held] = judge(isOfNode, {}, recovering, before)
  expect(held!.message).toBe(`${before[0]!.message} It has been well for some seconds, and is watched.`)
  expect(judge(isOfNode, {}, recovering, [held!])[0]!.message).toBe(held!.message)
  const isLast = (from: string, to: string, name: string) => isOfNode(from, to, name) && from === 'n4'
  expect(judge(isLast, {}, recovering, before)).toEqual([])
  expect(judge(isLast, {}, {}, before)).toMatchObject([{ kind: CulpritKind.CULPRIT_KIND_LINK }])
})

test('one path that is dead between nodes that are well is a link', () => {
  const both = (one: string, other: string) => [one, other].sort().join() === 'n1,n3'
  const verdicts = judge((from, to, name) => name === 'net1' && both(from, to), {})
  expect(verdicts).toMatchObject([
    { kind: CulpritKind.CULPRIT_KIND_LINK, node: 'n1', peer: 'n3', interface: 'net1' },
  ])
})

test('loss that chance has put on the paths one way is not called a direction', () => {
  const verdicts = judge(
    (from, _, name) => name === 'net1' && from === 'n2',
    {},
    {
      state: PathState.PATH_STATE_LOSSY,
      answeredMs: 1,
      lossMs: 2,
      sentNow: 60,
      lostNow: 12,
    },
  )
  expect(verdicts).toMatchObject([
    { node: 'n2', interface: 'net1', direction: FaultDirection.FAULT_DIRECTION_BOTH },
  ])
})

test('without a word of its agent it is what the paths say', () => {
  const [verdict, ...more] = judge((from, to, name) => name === 'net1' && [from, to].includes('n2'), {})
  expect(more).toEqual([])
  expect(verdict!.message).toMatch(/^n2 cannot be reached on net1: 8 of 8 pairs fail/)
})
