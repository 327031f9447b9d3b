import { describe, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createOwnLoad } from './own-load.ts'
import { advance, createPathHealth } from './path-state.ts'

const path = (source: string, destination: string) => ({
  source: { node: source, interface: 'net0' },
  destination: { node: destination, interface: 'net0' },
})

describe('load of our own', () => {
  test('touches the times between the look before it and the look after it, at either end', () => {
    let held = new Set<string>()
    const load = createOwnLoad(() => held)
    load.look(1000)
    held = new Set(['n1 net0'])
    load.look(2000)
    load.look(3000)
    held = new Set()
    load.look(4000)
    load.look(5000)
    expect(load.touches(path('n1', 'n2'), 0, 900)).toBe(false)
    expect(load.touches(path('n1', 'n2'), 0, 1500)).toBe(true)
    expect(load.touches(path('n2', 'n1'), 3500, 3900)).toBe(true)
    expect(load.touches(path('n1', 'n2'), 4100, 5000)).toBe(false)
    expect(load.touches(path('n2', 'n3'), 0, 5000)).toBe(false)
    expect(load.touches({ ...path('n1', 'n2'), source: { node: 'n1', interface: 'net1' } }, 0, 5000)).toBe(
      false,
    )
  })

  test('is forgotten in time, so that a fleet that measures every night does not fill memory', () => {
    let held = new Set(['n1 net0'])
    const load = createOwnLoad(() => held)
    load.look(0)
    held = new Set()
    load.look(1000)
    load.look(200_000)
    load.look(201_000)
    expect(load.touches(path('n1', 'n2'), 0, 201_000)).toBe(false)
  })
})

describe('what a path loses while a run of our own fills it', () => {
  const lossy = (isLoaded: boolean) => {
    const health = createPathHealth(PathState.PATH_STATE_UP)
    for (let second = 1; second <= 60; second++) {
      const receivedCount = second % 4 === 0 ? 0 : 1
      const seen = { startMs: (second - 1) * 1000, endMs: second * 1000, sentCount: 1, receivedCount }
      advance(health, seen, 1 - receivedCount, { intervalSeconds: 1, isLoaded })
    }
    return health.state
  }
  const dead = (isLoaded: boolean, seconds: number) => {
    const health = createPathHealth(PathState.PATH_STATE_UP)
    for (let second = 1; second <= seconds; second++) {
      const seen = { startMs: (second - 1) * 1000, endMs: second * 1000, sentCount: 1, receivedCount: 0 }
      advance(health, seen, second, { intervalSeconds: 1, isLoaded })
    }
    return health.state
  }

  test('is no loss', () => {
    expect(lossy(false)).toBe(PathState.PATH_STATE_LOSSY)
    expect(lossy(true)).toBe(PathState.PATH_STATE_UP)
  })

  test('but a path that stays silent is down all the same, a little later', () => {
    expect(dead(false, 2)).toBe(PathState.PATH_STATE_DOWN)
    expect(dead(true, 4)).toBe(PathState.PATH_STATE_UP)
    expect(dead(true, 5)).toBe(PathState.PATH_STATE_DOWN)
  })
})
