import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createInterfaceStates } from './interface-state.ts'
import { createInterfaceWindow, type InterfaceWindow } from './interface-window.ts'
import type { LostProbe } from './pooled-loss.ts'

const NODES = Array.from({ length: 8 }, (_, index) => `n${index}`)

/** Returns eight nodes; `step` adds a second, in which n0 loses every fifth probe if `isBad`. */
const startLoss = () => {
  const interfaces = new Map<string, InterfaceWindow>(
    NODES.map((node) => [`${node} net0`, createInterfaceWindow(node, 'net0')]),
  )
  const lost: LostProbe[] = []
  let path = 0
  const step = (second: number, isBad: boolean) => {
    path = 0
    for (const source of NODES) {
      for (const destination of NODES) {
        if (source === destination) continue
        path++
        const isLost = isBad && [source, destination].includes('n0') && (path + second) % 5 === 0
        const count = isLost ? 1 : 0
        interfaces.get(`${source} net0`)!.add('tx', second, 1, count, count)
        interfaces.get(`${destination} net0`)!.add('rx', second, 1, count, count)
        if (isLost) lost.push({ path, source, destination, interface: 'net0', second, count })
      }
    }
  }
  const lostSince = (now: number, seconds: number) => lost.filter(({ second }) => second > now - seconds)
  return { interfaces, step, lostSince }
}

test('loss is found within 10 s with its current counts, and ends 10 to 12 s after the last loss', () => {
  const { interfaces, step, lostSince } = startLoss()
  const states = createInterfaceStates()
  const changes: [number, string, PathState][] = []
  for (let second = 1; second <= 200; second++) {
    step(second, second > 60 && second <= 100)
    for (const { lossy, state } of states.update(interfaces, lostSince, second)) {
      changes.push([second, lossy.node, state])
    }
    if (second !== 100) continue
    const [{ lostCount, sentCount } = { lostCount: 0, sentCount: 0 }] = states.lossy()
    // The counts are of 12 s and not of a minute, and contain every lost probe.
    expect(sentCount).toBe(12 * 14)
    expect(lostCount / sentCount).toBeGreaterThan(0.15)
  }
  expect(changes.map(([, node, state]) => [node, state])).toEqual([
    ['n0', PathState.PATH_STATE_LOSSY],
    ['n0', PathState.PATH_STATE_UP],
  ])
  const [[lossySecond], [upSecond]] = changes as [(typeof changes)[0], (typeof changes)[0]]
  expect(lossySecond - 60).toBeLessThanOrEqual(10)
  expect(upSecond - 100).toBeGreaterThanOrEqual(10)
  expect(upSecond - 100).toBeLessThanOrEqual(12)
})

test('recurring loss has a longer hold time each time', () => {
  const { interfaces, step, lostSince } = startLoss()
  const states = createInterfaceStates()
  const ups: number[] = []
  for (let second = 1; second <= 600; second++) {
    step(second, second % 100 < 20)
    const found = states.update(interfaces, lostSince, second)
    if (found.some(({ state }) => state === PathState.PATH_STATE_UP)) ups.push(second % 100)
  }
  expect(ups.length).toBeGreaterThanOrEqual(2)
  expect(ups).toEqual([...ups].sort((one, other) => one - other))
  expect(ups.length).toBeLessThan(6)
})
