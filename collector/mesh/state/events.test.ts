import { expect, test } from 'vitest'
import { MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { toTimestamp } from '../../../lib/protobuf-time.ts'
import { openSqliteStore } from '../../store/sqlite/store.ts'
import { readInitialStates } from './events.ts'

const NOW_MS = Date.UTC(2026, 0, 2)
const HOUR_MS = 3_600_000

/** An event of s5 on net0: of the interface, or of its path to s6. */
const event = (timeMs: number, state: PathState, destination?: string): MeshEvent =>
  MeshEvent.fromPartial({
    time: toTimestamp(new Date(timeMs)),
    source: { node: 's5', interface: 'net0' },
    ...(destination !== undefined && { destination: { node: destination, interface: 'net0' } }),
    state,
  })

const statesAfter = (...events: MeshEvent[]) => {
  const store = openSqliteStore(':memory:')
  for (const each of events) store.putWindows([], [each])
  const states = readInitialStates(store, NOW_MS)
  store.close()
  return states
}

const { PATH_STATE_UP: UP, PATH_STATE_LOSSY: LOSSY, PATH_STATE_DOWN: DOWN } = PathState
const toS6 = { source: 's5', destination: 's6', interface: 'net0' }

test('the last event counts, also when the wall clock was set back before it', () => {
  const states = statesAfter(
    event(NOW_MS + HOUR_MS, LOSSY),
    event(NOW_MS + HOUR_MS, DOWN, 's6'),
    event(NOW_MS - HOUR_MS, UP),
    event(NOW_MS - HOUR_MS, UP, 's6'),
  )
  expect(states.lossyInterfaces).toEqual([])
  expect(states.ofPath(toS6)).toBeUndefined()
})

test('a state that began in the future, by a wall clock that was set back, began at the latest now', () => {
  const states = statesAfter(event(NOW_MS + HOUR_MS, LOSSY), event(NOW_MS + HOUR_MS, DOWN, 's6'))
  expect(states.lossyInterfaces).toMatchObject([{ node: 's5', interface: 'net0', timeMs: NOW_MS }])
  expect(states.ofPath(toS6)).toEqual({ state: DOWN, timeMs: NOW_MS })
})

test('events of more than a day ago do not count', () => {
  const states = statesAfter(event(NOW_MS - 25 * HOUR_MS, LOSSY), event(NOW_MS - 25 * HOUR_MS, DOWN, 's6'))
  expect(states.lossyInterfaces).toEqual([])
  expect(states.ofPath(toS6)).toBeUndefined()
})
