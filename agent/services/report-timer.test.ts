import { expect, test, vi } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { createReportTimer } from './report-timer.ts'

test('subscribes to the work once, however many reports it waits for', async () => {
  const { promise: work, resolve } = Promise.withResolvers<void>()
  const subscribe = vi.spyOn(work, 'then')
  const isRunning = createReportTimer(work, systemClock, new AbortController().signal)
  for (let report = 0; report < 100; report++) expect(await isRunning(0)).toBe(true)
  expect(subscribe).toHaveBeenCalledTimes(1)
  resolve()
  expect(await isRunning(1000)).toBe(false)
})

test('reports the end of the work immediately, and its failure too', async () => {
  const { signal } = new AbortController()
  const done = createReportTimer(systemClock.sleep(0.01), systemClock, signal)
  expect(await done(1000)).toBe(false)
  const failing = createReportTimer(Promise.reject(new Error('it broke')), systemClock, signal)
  await expect(failing(1000)).rejects.toThrow('it broke')
})

test('after an abort, the work decides how the wait ends', async () => {
  const stop = new AbortController()
  const { promise, reject } = Promise.withResolvers<void>()
  const isRunning = createReportTimer(promise, systemClock, stop.signal)
  const waiting = isRunning(1000)
  stop.abort()
  await systemClock.sleep(0)
  reject(new Error('it was cut off'))
  await expect(waiting).rejects.toThrow('it was cut off')
})
