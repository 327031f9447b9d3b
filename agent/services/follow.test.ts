import { expect, test, vi } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { follow } from './follow.ts'

test('the work is listened to once, however often it is asked', async () => {
  const { promise: work, resolve } = Promise.withResolvers<void>()
  const listened = vi.spyOn(work, 'then')
  const isRunning = follow(work, systemClock, new AbortController().signal)
  for (let report = 0; report < 100; report++) expect(await isRunning(0)).toBe(true)
  expect(listened).toHaveBeenCalledTimes(1)
  resolve()
  expect(await isRunning(1000)).toBe(false)
})

test('the end of the work is told at once, and so is its failure', async () => {
  const { signal } = new AbortController()
  const done = follow(systemClock.sleep(0.01), systemClock, signal)
  expect(await done(1000)).toBe(false)
  const failing = follow(Promise.reject(new Error('it broke')), systemClock, signal)
  await expect(failing(1000)).rejects.toThrow('it broke')
})

test('once the stream is over, it is the work that says how it ended', async () => {
  const stop = new AbortController()
  const { promise, reject } = Promise.withResolvers<void>()
  const isRunning = follow(promise, systemClock, stop.signal)
  const asked = isRunning(1000)
  stop.abort()
  await systemClock.sleep(0)
  reject(new Error('it was cut off'))
  await expect(asked).rejects.toThrow('it was cut off')
})
