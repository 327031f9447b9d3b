import { expect, test } from 'vitest'
import { waitForBreak } from './half-close-grace.ts'

/** A host that was so busy that the wait is over at once. */
const asked: number[] = []
const late = {
  sleep: async (seconds: number) => void asked.push(seconds),
  yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
}

test('a break that is heard of only after the wait is one all the same', async () => {
  const caller = new AbortController()
  const waiting = waitForBreak(late, caller.signal)
  setImmediate(() => caller.abort(new Error('gone')))
  await expect(waiting).rejects.toThrow('gone')
})

test('a caller that has finished is waited for long enough for a break, and shorter than it waits itself', async () => {
  asked.length = 0
  await waitForBreak(late, new AbortController().signal)
  expect(asked).toHaveLength(1)
  expect(asked[0]).toBeGreaterThanOrEqual(0.5)
  expect(asked[0]).toBeLessThan(2)
})
