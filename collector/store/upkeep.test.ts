import pino from 'pino'
import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { startUpkeep } from './upkeep.ts'
import type { StoreInfo } from './windows.ts'

const INFO = { path: '/x', sizeBytes: 7, levels: [] } as unknown as StoreInfo

test('how the store is stays in view while its upkeep fails: then most of all it is asked for', async () => {
  let seconds = 0
  const turns = Promise.withResolvers<void>()
  const clock: Clock = {
    now: () => new Date(seconds * 1000),
    monotonicSeconds: () => seconds,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: async (pause) => {
      seconds += pause
      if (seconds >= 60) turns.resolve()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
  const seen: number[] = []
  const upkeep = startUpkeep({
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
      observeInfo: ({ sizeBytes }) => seen.push(sizeBytes),
    },
  })
  await turns.promise
  await upkeep.close()
  expect(seen.length).toBeGreaterThanOrEqual(10)
})
