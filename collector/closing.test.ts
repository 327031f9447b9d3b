import { expect, test } from 'vitest'
import { createClosing } from './closing.ts'

test('the last is closed first, and what cannot be closed keeps nothing else open', async () => {
  const closed: string[] = []
  const failures: unknown[] = []
  const closing = createClosing({ logger: { error: (entry: unknown) => failures.push(entry) } as never })
  const disk = new Error('the disk is full')
  closing.add(() => closed.push('store'))
  closing.add(() => Promise.reject(disk))
  closing.add(() => {
    throw disk
  })
  closing.add(async () => closed.push('listener'))
  await closing.close()
  await closing.close()
  expect(closed).toEqual(['listener', 'store'])
  expect(failures).toEqual([{ err: disk }, { err: disk }])
})
