import { expect, test } from 'vitest'
import { createEvenTime, systemClock } from './clock.ts'

test.each([3_000_000, Number.POSITIVE_INFINITY])(
  'a wait of %d s, longer than a Node timer allows, does not end at once',
  async (seconds) => {
    const stop = new AbortController()
    let passed = false
    const slept = systemClock.sleep(seconds, stop.signal).then(() => {
      passed = true
    })
    await systemClock.sleep(0.02)
    expect(passed).toBe(false)
    stop.abort()
    await expect(slept).rejects.toThrow('aborted')
  },
)

test('even time does not follow steps of the wall clock', () => {
  const machine = { monotonic: 100, stepped: 0 }
  const wallSeconds = () => 1_800_000_000 + machine.monotonic + machine.stepped
  const clock = {
    now: () => new Date(wallSeconds() * 1000),
    monotonicSeconds: () => machine.monotonic,
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
    sleep: async () => undefined,
  }
  const time = createEvenTime(clock)
  const begun = wallSeconds()
  machine.monotonic += 10
  machine.stepped -= 3600
  expect(time() - begun).toBe(10)
  machine.monotonic += 5
  machine.stepped += 7200
  expect(time() - begun).toBe(15)
})
