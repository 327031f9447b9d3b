import { describe, expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { advance, createPathHealth } from './path-state.ts'
import { createRunLoad } from './run-load.ts'

const path = (source: string, destination: string) => ({
  source: { node: source, interface: 'net0' },
  destination: { node: destination, interface: 'net0' },
})

describe('run load', () => {
  test('covers the time from the sample before a run to the sample after it, on either end of a path', () => {
    let held = new Set<string>()
    const load = createRunLoad(() => held)
    load.sample(1000)
    held = new Set(['n1 net0'])
    load.sample(2000)
    load.sample(3000)
    held = new Set()
    load.sample(4000)
    load.sample(5000)
    expect(load.overlaps(path('n1', 'n2'), 0, 900)).toBe(false)
    expect(load.overlaps(path('n1', 'n2'), 0, 1500)).toBe(true)
    expect(load.overlaps(path('n2', 'n1'), 3500, 3900)).toBe(true)
    expect(load.overlaps(path('n1', 'n2'), 4100, 5000)).toBe(false)
    expect(load.overlaps(path('n2', 'n3'), 0, 5000)).toBe(false)
    expect(load.overlaps({ ...path('n1', 'n2'), source: { node: 'n1', interface: 'net1' } }, 0, 5000)).toBe(
      false,
    )
  })

  test('after a crash during a run, all interfaces count as loaded until the agents have stopped its tests', () => {
    const load = createRunLoad(() => new Set(), 20_000)
    load.sample(5000)
    expect(load.overlaps(path('n1', 'n2'), 0, 1000)).toBe(true)
    expect(load.overlaps(path('n1', 'n2'), 19_000, 24_000)).toBe(true)
    expect(load.overlaps(path('n1', 'n2'), 20_500, 24_000)).toBe(false)
  })

  test('is deleted after 150 s', () => {
    let held = new Set(['n1 net0'])
    const load = createRunLoad(() => held)
    load.sample(0)
    held = new Set()
    load.sample(1000)
    load.sample(200_000)
    load.sample(201_000)
    expect(load.overlaps(path('n1', 'n2'), 0, 201_000)).toBe(false)
  })
})

describe('loss on a path while a run loads it', () => {
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

  test('does not make it LOSSY', () => {
    expect(lossy(false)).toBe(PathState.PATH_STATE_LOSSY)
    expect(lossy(true)).toBe(PathState.PATH_STATE_UP)
  })

  test('makes it DOWN after 5 s without answers', () => {
    expect(dead(false, 2)).toBe(PathState.PATH_STATE_DOWN)
    expect(dead(true, 4)).toBe(PathState.PATH_STATE_UP)
    expect(dead(true, 5)).toBe(PathState.PATH_STATE_DOWN)
  })
})
