import { describe, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createVerdict } from '../../diagnosis/verdict.ts'
import { createEchoCounts } from '../state/echo-counts.ts'
import { createInterfaceWindow } from '../state/interface-window.ts'
import { createPathHealth } from '../state/path-state.ts'
import type { MeshPath } from '../state/paths.ts'
import { createDirections } from './directions.ts'

const NODES = 6
const INTERFACES = ['net0', 'net1']
const START_MS = 1_700_000_000_000
const HEALTHY_SECONDS = 80
/** Time from the fault to its verdict. */
const VERDICT_SECONDS = 4

type Loss = { tx: number; rx: number }

/** Simulates a fleet in steps of 1 s: node-0 loses probes on net0, and each kernel counts the requests that arrive. */
const startFleet = (loss: Loss, { othersPerSecond = 0, silent = '' } = {}) => {
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  const names = Array.from({ length: NODES }, (_, index) => `node-${index}`)
  const interfaces = new Map(
    names.flatMap((node) =>
      INTERFACES.map((name) => [`${node} ${name}`, createInterfaceWindow(node, name)] as const),
    ),
  )
  const paths: MeshPath[] = names.flatMap((from) =>
    names
      .filter((to) => to !== from)
      .flatMap((to) =>
        INTERFACES.map((name) => ({
          id: 0,
          key: `${from} ${to} ${name}`,
          backKey: `${to} ${from} ${name}`,
          source: { node: from, interface: name, address: '' },
          destination: { node: to, interface: name, address: '' },
          mesh: '',
          staleAfterMs: 30_000,
          intervalSeconds: 1,
          echoesPerSecond: 1,
          health: createPathHealth(PathState.PATH_STATE_UP),
          row: 0,
          sourceWindow: interfaces.get(`${from} ${name}`)!,
          destinationWindow: interfaces.get(`${to} ${name}`)!,
          reason: '',
          changes: [],
          reportedMs: 0,
          releasedMs: undefined,
        })),
      ),
  )
  const echoes = createEchoCounts()
  const received = new Map(names.map((node) => [node, 1000]))
  const directions = createDirections({
    paths: () => paths,
    interfaces: () => interfaces,
    echoes,
    delivers: (node) => node !== silent,
    interfaceProblem: () => '',
  })
  let second = 0
  const step = (isFaulty: boolean) => {
    const nowMs = START_MS + second * 1000
    for (const path of paths) {
      const [from, to] = [path.source.node, path.destination.node]
      const isOn = (node: string) => isFaulty && node === 'node-0' && path.source.interface === 'net0'
      const isLost = (node: string, way: keyof Loss) => isOn(node) && random() < loss[way]
      const hasArrived = !isLost(from, 'tx') && !isLost(to, 'rx')
      if (hasArrived) received.set(to, received.get(to)! + 1)
      const isAnswered = hasArrived && !isLost(to, 'tx') && !isLost(from, 'rx')
      path.sourceWindow.add('tx', second + START_MS / 1000, 1, isAnswered ? 0 : 1, 0)
      path.destinationWindow.add('rx', second + START_MS / 1000, 1, isAnswered ? 0 : 1, 0)
      path.health.lastEndMs = nowMs
      if (isFaulty) path.health.sentNow++
      if (isFaulty && !isAnswered) path.health.lostNow++
    }
    for (const [node, count] of received) {
      received.set(node, count + othersPerSecond)
      echoes.add(node, nowMs, received.get(node)!)
    }
    second++
  }
  for (let count = 0; count < HEALTHY_SECONDS; count++) step(false)
  const verdict = createVerdict({
    kind: 'interface',
    node: 'node-0',
    interface: 'net0',
    direction: 'both',
    message: 'node-0 is bad.',
  })
  return {
    /** Returns the verdict after this time of the fault. */
    after: (seconds: number) => {
      let current = verdict
      for (let count = 0; count < seconds; count++) {
        step(true)
        if (count >= VERDICT_SECONDS)
          current = directions.addTo([verdict], START_MS + (second - 1) * 1000)[0]!
      }
      return current
    },
  }
}

const [TX, RX, BOTH] = ['tx', 'rx', 'both'] as const

describe('the direction of a verdict', () => {
  test.each([
    ['all sent packets are lost', { tx: 1, rx: 0 }, 20, TX],
    ['all received packets are lost', { tx: 0, rx: 1 }, 30, RX],
    ['all packets are lost', { tx: 1, rx: 1 }, 40, BOTH],
    ['80 % are lost in both directions', { tx: 0.8, rx: 0.8 }, 40, BOTH],
    ['20 % of sent packets are lost', { tx: 0.2, rx: 0 }, 45, TX],
    ['20 % of received packets are lost', { tx: 0, rx: 0.2 }, 45, RX],
    ['30 % are lost in both directions', { tx: 0.3, rx: 0.3 }, 45, BOTH],
  ])('%s', (_, loss, seconds, direction) => {
    expect(startFleet(loss).after(seconds).direction).toBe(direction)
  })

  test('is added only with enough evidence, and then stays', () => {
    const fleet = startFleet({ tx: 1, rx: 0 })
    expect(fleet.after(6)).toMatchObject({ direction: BOTH, message: 'node-0 is bad.' })
    expect(fleet.after(20).direction).toBe(TX)
    const old = fleet.after(120)
    expect(old.direction).toBe(TX)
    expect(old.message).toMatch(/^node-0 is bad\. Of \d+ probes sent to it \d+ had no answer/)
  })

  test('is right while other programs ping the node', () => {
    expect(startFleet({ tx: 0, rx: 1 }, { othersPerSecond: 7 }).after(40).direction).toBe(RX)
  })

  test('needs more evidence while a source does not deliver', () => {
    expect(startFleet({ tx: 0, rx: 0.2 }, { silent: 'node-3' }).after(30).direction).toBe(BOTH)
  })
})

describe('echo request counts', () => {
  test('are compared within a time span, but not across a reboot of the node', () => {
    const echoes = createEchoCounts()
    for (const second of [0, 0.2, 1, 2, 3]) echoes.add('n', second * 1000, second * 10)
    expect(echoes.between('n', 500, 2500)).toEqual({ fromMs: 1000, toMs: 2000, count: 10 })
    expect(echoes.between('n', 2500, 9000)).toBeUndefined()
    echoes.add('n', 4000, 1)
    expect(echoes.between('n', 0, 9000)).toBeUndefined()
    echoes.add('n', 5000, 8)
    expect(echoes.between('n', 0, 9000)).toEqual({ fromMs: 4000, toMs: 5000, count: 7 })
    echoes.forget('n')
    expect(echoes.between('n', 0, 9000)).toBeUndefined()
  })
})

test('the paths are read once for any number of verdicts', () => {
  let [reads, countReads] = [0, 0]
  const verdictsOf = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      createVerdict({
        kind: 'node',
        node: `node-${index}`,
        direction: 'both',
      }),
    )
  const directions = createDirections({
    paths: () => {
      reads++
      return []
    },
    interfaces: () => {
      reads++
      return new Map()
    },
    echoes: {
      between: () => {
        countReads++
        return undefined
      },
    },
    delivers: () => true,
    interfaceProblem: () => '',
  })
  directions.addTo(verdictsOf(1), START_MS)
  const once = reads
  directions.addTo(verdictsOf(500), START_MS)
  expect({ reads: reads - once, countReads }).toEqual({ reads: once, countReads: 0 })
})
