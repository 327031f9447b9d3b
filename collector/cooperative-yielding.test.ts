import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { createCooperativeYielding } from './cooperative-yielding.ts'

test('other work runs after a slice', async () => {
  let nowMs = 0
  let others = 0
  const turns = createCooperativeYielding({
    monotonicSeconds: () => nowMs / 1000,
    yield: async () => {
      others++
    },
  })
  await turns.yieldIfDue()
  nowMs += 10
  expect([turns.isOver(), others]).toEqual([true, 0])
  await turns.yieldIfDue()
  expect([turns.isOver(), others]).toEqual([false, 1])
})

test('work ends although other work blocks the event loop for long times', async () => {
  let nowMs = 0
  let passed = 0
  const turns = createCooperativeYielding({
    monotonicSeconds: () => nowMs / 1000,
    yield: async () => {
      passed++
      nowMs += 40
    },
  })
  // 100 ms of it, in slices of 4 ms, would wait for the others 25 times.
  for (let done = 0; done < 100; done++) {
    nowMs++
    await turns.yieldIfDue()
  }
  expect(passed).toBe(10)
})

test('several long tasks do not extend each other’s slices', async () => {
  let nowMs = 0
  const clock = { monotonicSeconds: () => nowMs / 1000, yield: systemClock.yield }
  const longestMs = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const turns = createCooperativeYielding(clock)
      let longest = 0
      for (let round = 0; round < 12; round++) {
        const beganMs = nowMs
        while (!turns.isOver() && nowMs - beganMs < 1000) nowMs++
        longest = Math.max(longest, nowMs - beganMs)
        await turns.startNextSlice()
      }
      return longest
    }),
  )
  expect(Math.max(...longestMs)).toBeLessThanOrEqual(250)
})
