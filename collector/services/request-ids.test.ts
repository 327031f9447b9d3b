import { expect, test } from 'vitest'
import { createIdempotency } from './request-ids.ts'

type Resource = { id: number; content: string }

/** Creates resources in memory. Each creation takes a turn of the event loop. */
const setUp = () => {
  const stored = new Map<string, Resource>()
  let created = 0
  let failure: Error | undefined
  const idempotent = createIdempotency<Resource>((requestId) => stored.get(requestId))
  const create = (requestId: string, content: string) =>
    idempotent(requestId, {
      content: new TextEncoder().encode(content),
      isFrom: (resource) => resource.content === content,
      create: async () => {
        await Promise.resolve()
        if (failure) throw failure
        const resource = { id: ++created, content }
        if (requestId !== '') stored.set(requestId, resource)
        return resource
      },
    })
  return {
    create,
    fail: (error: Error | undefined) => {
      failure = error
    },
  }
}

test('requests without an id create one resource each', async () => {
  const { create } = setUp()
  expect([(await create('', 'a')).id, (await create('', 'a')).id]).toEqual([1, 2])
})

test('a second request with the same id returns the resource of the first one', async () => {
  const { create } = setUp()
  expect([(await create('r', 'a')).id, (await create('r', 'a')).id, (await create('s', 'a')).id]).toEqual([
    1, 1, 2,
  ])
})

test('requests with the same id at the same time create one resource', async () => {
  const { create } = setUp()
  const all = await Promise.all(Array.from({ length: 20 }, () => create('r', 'a')))
  expect(new Set(all.map(({ id }) => id))).toEqual(new Set([1]))
})

test('an id of a request with other content is rejected, also while that one is in progress', async () => {
  const { create } = setUp()
  const reused = { reason: 'REQUEST_ID_REUSED' }
  const first = create('r', 'a')
  await expect(create('r', 'b')).rejects.toMatchObject(reused)
  await first
  await expect(create('r', 'b')).rejects.toMatchObject(reused)
})

test('a request that failed can be sent again', async () => {
  const { create, fail } = setUp()
  fail(new Error('the disk is full'))
  await expect(create('r', 'a')).rejects.toThrow('the disk is full')
  fail(undefined)
  expect((await create('r', 'a')).id).toBe(1)
})

test('an id may have up to 64 characters', async () => {
  const { create } = setUp()
  await create('x'.repeat(64), 'a')
  await expect(create('x'.repeat(65), 'a')).rejects.toMatchObject({
    reason: 'SPEC_INVALID',
    violations: [{ field: 'request_id', description: 'has 65 characters; the maximum is 64' }],
  })
})
