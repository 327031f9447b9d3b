import { expect, test } from 'vitest'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createPaths, type MeasuredPath } from '../state/paths.ts'
import { createPathResults } from './path-results.ts'

const NOW_MS = 100_000

const start = () => {
  const paths = createPaths({ random: () => 0, initialState: () => undefined })
  const key = { source: 'a', destination: 'b', interface: 'net0' }
  const settings = { mesh: '', staleAfterMs: 30_000, intervalSeconds: 1, echoesPerSecond: 1 }
  const addTo = (address: string) => paths.add(0, { key, from: '10.0.0.1', address }, settings)
  addTo('10.0.0.2')
  const path = paths.get(0)!
  path.health.sentNow = 10
  const measured: MeasuredPath = { path, state: PathState.PATH_STATE_UP, isLoaded: false }
  const results = createPathResults(paths.recent)
  const answer = (rttSumSeconds: number) =>
    paths.recent.add(path.row, {
      ...{ startMs: NOW_MS - 1000, endMs: NOW_MS, sentCount: 1, receivedCount: 1 },
      ...{ rttMinSeconds: rttSumSeconds, rttMaxSeconds: rttSumSeconds, rttSumSeconds, jitterSeconds: 0 },
      ...{ histogramOffset: 0, histogramCounts: [1] },
    })
  answer(0.001)
  const resultOf = (fields: Partial<MeasuredPath> = {}) =>
    results.of({ ...measured, ...fields }, undefined, NOW_MS)
  return { path, addTo, answer, resultOf }
}

test('the result of a path that has not changed is the same object', () => {
  const { resultOf } = start()
  const result = resultOf()
  expect(result.values).toMatchObject({
    sentCount: 10,
    receivedCount: 10,
    rtt: { avg: { nanos: 1_000_000 } },
  })
  expect(resultOf()).toBe(result)
})

test.each<[string, (world: ReturnType<typeof start>) => unknown, object]>([
  ['a probe is lost', ({ path }) => (path.health.lostNow = 1), { values: { receivedCount: 9 } }],
  ['an answer is slow', ({ answer }) => answer(0.003), { values: { rtt: { avg: { nanos: 2_000_000 } } } }],
  ['the agent gives a reason', ({ path }) => (path.reason = 'no route'), { reason: 'no route' }],
  ['the address changes', ({ addTo }) => addTo('10.0.0.3'), { destination: { address: '10.0.0.3' } }],
])('the result is a new one after %s', (_, change, expected) => {
  const world = start()
  world.resultOf()
  change(world)
  expect(world.resultOf()).toMatchObject(expected)
})

test('the result is a new one when the state changes or a run loads the path', () => {
  const { resultOf } = start()
  expect(resultOf().attemptCount).toBe(1)
  expect(resultOf({ state: PathState.PATH_STATE_LOSSY }).attemptCount).toBeGreaterThan(1)
  expect(resultOf({ isLoaded: true }).values).toMatchObject({ rtt: undefined })
})
