import { expect, test } from 'vitest'
import { createAgentClock } from './agent-clock.ts'

const HOUR_MS = 3_600_000

test.each([HOUR_MS, -HOUR_MS])('a kept offset from before a step of %d ms places no window', (stepMs) => {
  const kept = { session: 'a', offsetMs: 500 + stepMs }
  const steps: number[] = []
  const clock = createAgentClock(kept, ({ offsetMs }) => steps.push(offsetMs))
  clock.begin('a')
  // What was sent at 10 s by the agent's clock comes 5 ms later; ours is half a second ahead.
  clock.observe(10_000, 100)
  expect(clock.offsetMs(10_505, 100)).toBeUndefined()
  expect(clock.offsetMs(11_605, 101.1)).toBe(505)
  expect(steps).toEqual([505])
})

test('a kept offset that may be right is used at once, also for a batch that was held up', () => {
  const clock = createAgentClock({ session: 'a', offsetMs: 500 }, () => undefined)
  clock.begin('a')
  clock.observe(10_000, 100)
  expect(clock.offsetMs(12_500, 100)).toBe(500)
})
