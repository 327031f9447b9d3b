import pino from 'pino'
import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import type { StoreInfo } from './maintenance.ts'
import { startMaintenance } from './maintenance-loop.ts'

const INFO = { path: '/x', sizeBytes: 7, levels: [] } as unknown as StoreInfo

test('reports the size and content of the store while its maintenance fails', async () => {
  let seconds = 0
  const minutePassed = Promise.withResolvers<void>()
  const clock: Clock = {
    now: () => new Date(seconds * 1000),
    monotonicSeconds: () => seconds,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: async (pause) => {
      seconds += pause
      if (seconds >= 60) minutePassed.resolve()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
  const reportedSizes: number[] = []
  const maintenance = startMaintenance({
    clock,
    logger: pino({ level: 'silent' }),
    store: {
      maintain: () => {
        throw new Error('the disk is full')
      },
      info: () => INFO,
    },
    observer: {
      observeMaintain: () => undefined,
      observeInfo: ({ sizeBytes }) => reportedSizes.push(sizeBytes),
    },
  })
  await minutePassed.promise
  await maintenance.close()
  expect(reportedSizes.length).toBeGreaterThanOrEqual(10)
})
