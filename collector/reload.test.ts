import { expect, test, vi } from 'vitest'
import type { CollectorOptions } from './options.ts'
import { createReload } from './reload.ts'

test('a reload during the shutdown changes nothing', async () => {
  const draining = new AbortController()
  const read = Promise.withResolvers<CollectorOptions>()
  const change = vi.fn()
  const options = {} as CollectorOptions
  const reload = createReload(
    {
      logger: { info: () => undefined } as never,
      draining: draining.signal,
      readOptions: () => read.promise,
      fleet: { setInventory: change },
      health: { setPeriodic: change },
      profiles: { set: change },
      schedules: { setConfigured: change },
    },
    options,
  )
  const answer = reload()
  draining.abort()
  read.resolve(options)
  await expect(answer).rejects.toMatchObject({ reason: 'COLLECTOR_DRAINING' })
  expect(change).not.toHaveBeenCalled()
})
