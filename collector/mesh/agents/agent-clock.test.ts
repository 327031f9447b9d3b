import { expect, test } from 'vitest'
import { createAgentClock } from './agent-clock.ts'

const HOUR_MS = 3_600_000

test.each([HOUR_MS, -HOUR_MS])(
  'a restored offset that is wrong by a clock step of %d ms is not used',
  (stepMs) => {
    const persisted = { session: 'a', offsetMs: 500 + stepMs }
    const steps: number[] = []
    const clock = createAgentClock(persisted, ({ offsetMs }) => steps.push(offsetMs))
    clock.begin('a')
    // Sent at 10 s of the agent's clock, received 5 ms later; the collector's clock is 500 ms ahead.
    clock.observe(10_000, 100)
    expect(clock.offsetMs(10_505, 100)).toBeUndefined()
    expect(clock.offsetMs(11_605, 101.1)).toBe(505)
    expect(steps).toEqual([505])
  },
)

test('a plausible restored offset is used at once, also for a delayed batch', () => {
  const clock = createAgentClock({ session: 'a', offsetMs: 500 }, () => undefined)
  clock.begin('a')
  clock.observe(10_000, 100)
  expect(clock.offsetMs(12_500, 100)).toBe(500)
})
