import { expect, test, vi } from 'vitest'
import { createCooperativeYielding } from './cooperative-yielding.ts'

const hold = (ms: number) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('other work runs after a slice', async () => {
  const turns = createCooperativeYielding()
  let others = 0
  const count = () => {
    others++
  }
  setImmediate(count)
  await turns.yieldIfDue()
  hold(10)
  expect([turns.isOver(), others]).toEqual([true, 0])
  await turns.yieldIfDue()
  expect([turns.isOver(), others]).toEqual([false, 1])
})

test('work ends although other work blocks the event loop for long times', async () => {
  const turns = createCooperativeYielding()
  let passed = 0
  let isDone = false
  const others = () => {
    if (isDone) return
    passed++
    hold(40)
    setImmediate(others)
  }
  setImmediate(others)
  // 100 ms of it, in slices of 4 ms, would wait for them 25 times.
  for (let done = 0; done < 100; done++) {
    hold(1)
    await turns.yieldIfDue()
  }
  isDone = true
  expect(passed).toBeLessThan(15)
})

test('several long tasks do not extend each other’s slices', async () => {
  let nowMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  const longestMs = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const turns = createCooperativeYielding()
      let longest = 0
      for (let round = 0; round < 12; round++) {
        const beganMs = nowMs
        while (!turns.isOver() && nowMs - beganMs < 1000) nowMs++
        longest = Math.max(longest, nowMs - beganMs)
        await turns.startNextSlice()
      }
      return longest
    }),
  ).finally(() => vi.restoreAllMocks())
  expect(Math.max(...longestMs)).toBeLessThanOrEqual(250)
})
