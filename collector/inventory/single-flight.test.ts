import { expect, test } from 'vitest'
import { singleFlight } from './single-flight.ts'

test('callers during a run share one run that begins after their call', async () => {
  let [started, ended] = [0, 0]
  let isFailing = false
  const release: (() => void)[] = []
  const run = singleFlight(async () => {
    started++
    await new Promise<void>((resolve) => release.push(resolve))
    ended++
    if (isFailing) throw new Error('no answer')
  })
  const first = run()
  const later = Array.from({ length: 500 }, () => run().then(() => [started, ended]))
  expect(started).toBe(1)
  release.shift()!()
  await first
  await new Promise((resolve) => setImmediate(resolve))
  release.shift()!()
  for (const seen of await Promise.all(later)) expect(seen).toEqual([2, 2])

  isFailing = true
  const failing = run()
  const after = run()
  release.shift()!()
  await expect(failing).rejects.toThrow('no answer')
  isFailing = false
  await new Promise((resolve) => setImmediate(resolve))
  release.shift()!()
  await after
  expect([started, ended]).toEqual([4, 4])
})
