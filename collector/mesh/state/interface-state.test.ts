import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createInterfaceStates } from './interface-state.ts'
import { createInterfaceWindow, type InterfaceWindow } from './interface-window.ts'
import type { LostProbe } from './pooled-loss.ts'

const NODES = Array.from({ length: 8 }, (_, index) => `n${index}`)

/** Eight nodes of which n0 loses every fifth probe from second 60 on. */
const startLoss = () => {
  const ends = new Map<string, InterfaceWindow>(
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
        ends.get(`${source} net0`)!.add('tx', second, 1, count, count)
        ends.get(`${destination} net0`)!.add('rx', second, 1, count, count)
        if (isLost) lost.push({ path, source, destination, interface: 'net0', second, count })
      }
    }
  }
  const lostSince = (now: number, seconds: number) => lost.filter(({ second }) => second > now - seconds)
  return { ends, step, lostSince }
}

test('loss is seen within seconds, told as it is now, and over soon after its end', () => {
  const { ends, step, lostSince } = startLoss()
  const states = createInterfaceStates()
  const changes: [number, string, PathState][] = []
  for (let second = 1; second <= 200; second++) {
    step(second, second > 60 && second <= 100)
    for (const { lossy, state } of states.judge(ends, { lostSince }, second)) {
      changes.push([second, lossy.node, state])
    }
    if (second !== 100) continue
    const [{ lostCount, sentCount } = { lostCount: 0, sentCount: 0 }] = states.lossy()
    // Of twelve seconds and not of a minute, and every lost probe of them.
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

test('loss that comes and goes is held for longer each time', () => {
  const { ends, step, lostSince } = startLoss()
  const states = createInterfaceStates()
  const ups: number[] = []
  for (let second = 1; second <= 600; second++) {
    step(second, second % 100 < 20)
    const found = states.judge(ends, { lostSince }, second)
    if (found.some(({ state }) => state === PathState.PATH_STATE_UP)) ups.push(second % 100)
  }
  expect(ups.length).toBeGreaterThanOrEqual(2)
  expect(ups).toEqual([...ups].sort((one, other) => one - other))
  expect(ups.length).toBeLessThan(6)
})
