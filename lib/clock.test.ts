import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'

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
