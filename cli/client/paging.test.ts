import { expect, test } from 'vitest'
import { readAll, readUpTo } from './paging.ts'

/** A list of numbers that returns at most 1000 of them per page. Records the requested page sizes. */
const listOf = (count: number) => {
  const sizes: number[] = []
  const list = async ({ pageSize, pageToken }: { pageSize: number; pageToken: string }) => {
    sizes.push(pageSize)
    const start = Number(pageToken || 0)
    const end = Math.min(count, start + Math.min(pageSize, 1000))
    const items = Array.from({ length: end - start }, (_, index) => start + index)
    return { items, nextPageToken: end < count ? String(end) : '' }
  }
  return { sizes, list }
}

test('readAll reads every page', async () => {
  const { list } = listOf(2500)
  expect(await readAll(list, ({ items }) => items)).toEqual(Array.from({ length: 2500 }, (_, index) => index))
})

test('readUpTo requests no more than the limit, and states whether there is more', async () => {
  const { sizes, list } = listOf(2500)
  const some = await readUpTo(1200, list, ({ items }) => items)
  expect([some.items.length, some.hasMore, sizes]).toEqual([1200, true, [1000, 200]])
  const all = await readUpTo(2500, list, ({ items }) => items)
  expect([all.items.length, all.hasMore]).toEqual([2500, false])
})
