import { expect, test } from 'vitest'
import { waitForCancellation } from './half-close-grace.ts'

/** A host that was so busy that the wait has passed immediately. */
const slept: number[] = []
const late = {
  sleep: async (seconds: number) => void slept.push(seconds),
  yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
}

test('a cancellation that is read only after the wait still counts', async () => {
  const caller = new AbortController()
  const waiting = waitForCancellation(late, caller.signal)
  setImmediate(() => caller.abort(new Error('gone')))
  await expect(waiting).rejects.toThrow('gone')
})

test('the wait is long enough for a cancellation, and shorter than the 2 s that a finished caller waits', async () => {
  slept.length = 0
  await waitForCancellation(late, new AbortController().signal)
  expect(slept).toHaveLength(1)
  expect(slept[0]).toBeGreaterThanOrEqual(0.5)
  expect(slept[0]).toBeLessThan(2)
})
