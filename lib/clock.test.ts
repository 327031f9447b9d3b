import { expect, test } from 'vitest'
import { createEvenTime, systemClock } from './clock.ts'

test.each([3_000_000, Number.POSITIVE_INFINITY])(
  'a wait of %d s, longer than a timer holds, does not pass at once',
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

test('even time runs on while the time of day is stepped, and over what the machine slept', () => {
  const machine = { awake: 100, slept: 0, stepped: 0 }
  const at = () => 1_800_000_000 + machine.awake + machine.slept + machine.stepped
  const clock = {
    now: () => new Date(at() * 1000),
    monotonicSeconds: () => machine.awake,
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
    sleep: async () => undefined,
  }
  const time = createEvenTime(clock, () => machine.awake + machine.slept)
  const ofAwake = createEvenTime(clock)
  const begun = at()
  machine.awake += 10
  machine.stepped -= 3600
  expect(time() - begun).toBe(10)
  machine.slept += 600
  machine.awake += 1
  expect(time() - begun).toBe(611)
  expect(ofAwake() - begun).toBe(11)
  machine.awake += 5
  machine.stepped += 7200
  expect(time() - begun).toBe(616)
  // A sleep and a step at once.
  machine.slept += 30
  machine.stepped += 1
  machine.awake += 1
  expect(time() - begun).toBe(647)
})

test('the system says how long it is up', () => {
  expect(systemClock.bootSeconds!()).toBeGreaterThanOrEqual(systemClock.monotonicSeconds())
})
