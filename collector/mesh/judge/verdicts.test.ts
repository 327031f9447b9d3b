import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import type { PathHealth } from '../state/path-state.ts'
import type { MeasuredPath } from '../state/paths.ts'
import { createPaths } from '../state/paths.ts'
import { createPathResults } from './path-results.ts'
import { judgeMesh } from './verdicts.ts'

/** Probes of each path in the evidence. */
const SENT = 200
const NODES = ['n0', 'n1', 'n2', 'n3', 'n4']

/** Judges a mesh of five nodes with two interfaces. Paths of interfaces with a `problem` are not measured. */
const judge = (
  isDown: (source: string, destination: string, name: string) => boolean,
  problems: Readonly<Record<string, string>>,
  downHealth: Partial<PathHealth> = {},
  previous: readonly Verdict[] = [],
  lossy: readonly LossyInterface[] = [],
  lostOf: (source: string, destination: string, name: string) => number = () => 0,
) => {
  const paths = createPaths({ random: () => 0.5, initialState: () => undefined })
  let id = 0
  for (const source of NODES) {
    for (const destination of NODES) {
      if (source === destination) continue
      for (const name of ['net0', 'net1']) {
        const key = { source, destination, interface: name }
        const target = { key, from: '', address: '' }
        paths.add(++id, target, {
          mesh: 'mesh',
          staleAfterMs: 30_000,
          intervalSeconds: 1,
          echoesPerSecond: 1,
        })
      }
    }
  }
  const measured = [...paths.all()].flatMap((path): MeasuredPath[] => {
    const { source, destination } = path
    if (problems[`${source.node} ${source.interface}`]) return []
    const down = isDown(source.node, destination.node, source.interface)
    path.health.sentNow = SENT
    path.health.lostNow = lostOf(source.node, destination.node, source.interface)
    if (down) Object.assign(path.health, downHealth)
    const { lostNow } = path.health
    const state =
      lostNow > 0 ? PathState.PATH_STATE_LOSSY : down ? PathState.PATH_STATE_DOWN : PathState.PATH_STATE_UP
    return [{ path, state, isLoaded: false }]
  })
  return judgeMesh({
    measured,
    results: createPathResults(paths.recent),
    silent: new Set(),
    interfaceProblem: (node, name) => problems[`${node} ${name}`] ?? '',
    lossy,
    racks: new Map(),
    previous,
    nowMs: 0,
    lossSince: () => undefined,
    shiftMs: 0,
  })
}

test.each([
  ['whose own windows are older than the failure', 5000, 'both', /^(?!.*is fine)/],
  ['whose own newer windows are good', -1, 'rx', /What it sends is fine/],
])('a node that no peer reaches and %s', (_, stateMs, direction, words) => {
  const [verdict] = judge((_, to) => to === 'n2', {}, { stateMs })
  expect(verdict).toMatchObject({ kind: 'node', node: 'n2', direction })
  expect(verdict!.message).toMatch(words)
})

test('an interface that its agent reports as down is cut off in both directions', () => {
  const verdicts = judge((_, to, name) => to === 'n2' && name === 'net0', { 'n2 net0': 'net0 is down' })
  expect(verdicts).toMatchObject([
    {
      kind: 'interface',
      node: 'n2',
      interface: 'net0',
      direction: 'both',
      message: 'n2 is cut off on net0: its agent says "net0 is down", and none of its 4 peers reaches it.',
    },
  ])
})

test('a node with all its interfaces down gets one verdict', () => {
  const verdicts = judge((_, to) => to === 'n2', { 'n2 net0': 'net0 is down', 'n2 net1': 'net1 is down' })
  expect(verdicts).toMatchObject([
    {
      kind: 'node',
      node: 'n2',
      message:
        'n2 is cut off on net0 and net1: its agent says "net0 is down; net1 is down", and none of its 4 peers reaches it.',
    },
  ])
})

test('a node that cannot probe but is reached gets no verdict', () => {
  expect(judge(() => false, { 'n2 net0': 'fping is missing' })).toEqual([])
})

test('a path that was DOWN, was answered and loses probes again is lossy and not unreachable', () => {
  const [dead] = judge((from, to, name) => name === 'net1' && [from, to].includes('n2'), {})
  expect(dead!.message).toContain('cannot be reached')
  const [lossy] = judge(
    (from, to, name) => name === 'net1' && [from, to].includes('n2'),
    {},
    { answeredMs: 1000, lossMs: 2000, sentNow: 20, lostNow: 6 },
  )
  expect(lossy!.message).toMatch(
    /^n2 loses packets on net1: 30 % of its probes in the last minute where its peers lose 0 %/,
  )
})

test('a recovering fault keeps its verdict and causes no new ones', () => {
  const isOfNode = (from: string, to: string, name: string) => name === 'net1' && [from, to].includes('n2')
  const previous = judge(isOfNode, {})
  const recovering = { answeredMs: 2000, lossMs: 1000 }
  const [held] = judge(isOfNode, {}, recovering, previous)
  expect(held!.message).toBe(
    `${previous[0]!.message} It is recovering: its paths have stopped losing probes.`,
  )
  expect(judge(isOfNode, {}, recovering, [held!])[0]!.message).toBe(held!.message)
  const isLast = (from: string, to: string, name: string) => isOfNode(from, to, name) && from === 'n4'
  expect(judge(isLast, {}, recovering, previous)).toEqual([])
  expect(judge(isLast, {}, {}, previous)).toMatchObject([{ kind: 'link' }])
})

test('a dead path between good nodes is a link', () => {
  const both = (one: string, other: string) => [one, other].sort().join() === 'n1,n3'
  const verdicts = judge((from, to, name) => name === 'net1' && both(from, to), {})
  expect(verdicts).toMatchObject([{ kind: 'link', node: 'n1', peer: 'n3', interface: 'net1' }])
})

test('loss that is by chance on the paths of one direction does not determine a direction', () => {
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
  expect(verdicts).toMatchObject([{ node: 'n2', interface: 'net1', direction: 'both' }])
})

test('an interface without a reported problem is judged by its paths', () => {
  const [verdict, ...more] = judge((from, to, name) => name === 'net1' && [from, to].includes('n2'), {})
  expect(more).toEqual([])
  expect(verdict!.message).toMatch(/^n2 cannot be reached on net1: 8 of 8 pairs fail/)
})

const LOSING: LossyInterface = {
  lossSecond: 0,
  ...{ node: 'n2', interface: 'net0', seenSecond: 0, holdSeconds: 60, seconds: 12 },
  ...{ sentCount: 400, lostCount: 8, peerCount: 3 },
}
const between = (one: string, other: string) => (source: string, destination: string, name: string) =>
  name === 'net0' && [source, destination].sort().join() === [one, other].sort().join()

test('a link that loses as much as its lossy interface gets no separate verdict', () => {
  const is = between('n1', 'n2')
  const lost = (...path: [string, string, string]) => (is(...path) ? 7 : 0)
  const alone = judge(() => false, {}, {}, [], [], lost)
  expect(alone).toMatchObject([{ kind: 'link', node: 'n1', peer: 'n2' }])
  const together = judge(() => false, {}, {}, [], [LOSING], lost)
  expect(together).toMatchObject([{ kind: 'interface', node: 'n2', interface: 'net0', peer: '' }])
})

test('a link that loses far more than its lossy interface gets a separate verdict, and so does a link of other nodes', () => {
  const kindsOf = (lost: (...path: [string, string, string]) => number) =>
    judge(() => false, {}, {}, [], [LOSING], lost).map(({ kind, node, peer }) => [kind, node, peer].join(' '))
  const LINK = 'link'
  const INTERFACE = 'interface'
  const much = between('n1', 'n2')
  expect(kindsOf((...path) => (much(...path) ? 60 : 0)).sort()).toEqual(
    [`${INTERFACE} n2 `, `${LINK} n1 n2`].sort(),
  )
  const others = between('n0', 'n1')
  expect(kindsOf((...path) => (others(...path) ? 7 : 0)).sort()).toEqual(
    [`${INTERFACE} n2 `, `${LINK} n0 n1`].sort(),
  )
})
