import { expect, test, vi } from 'vitest'
import type { CollectorOptions } from './options.ts'
import { createReload } from './reload.ts'

test('a config that is read while the collector closes changes nothing: what it began would never end', async () => {
  const closing = new AbortController()
  const read = Promise.withResolvers<CollectorOptions>()
  const change = vi.fn()
  const options = {} as CollectorOptions
  const reload = createReload(
    {
      logger: { info: () => undefined } as never,
      closing: closing.signal,
      readOptions: () => read.promise,
      fleet: { setInventory: change },
      health: { setPeriodic: change },
      profiles: { set: change },
      schedules: { setConfigured: change },
    },
    options,
  )
  const answer = reload()
  closing.abort()
  read.resolve(options)
  await expect(answer).rejects.toMatchObject({ reason: 'COLLECTOR_DRAINING' })
  expect(change).not.toHaveBeenCalled()
})
