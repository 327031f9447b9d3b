import { expect, test } from 'vitest'
import { createShutdown } from './shutdown.ts'

test('parts close in reverse order, and one that fails does not keep the others open', async () => {
  const closed: string[] = []
  const failures: unknown[] = []
  const shutdown = createShutdown({ logger: { error: (entry: unknown) => failures.push(entry) } as never })
  const disk = new Error('the disk is full')
  shutdown.add(() => closed.push('store'))
  shutdown.add(() => Promise.reject(disk))
  shutdown.add(() => {
    throw disk
  })
  shutdown.add(async () => closed.push('listener'))
  await shutdown.close()
  await shutdown.close()
  expect(closed).toEqual(['listener', 'store'])
  expect(failures).toEqual([{ err: disk }, { err: disk }])
})
