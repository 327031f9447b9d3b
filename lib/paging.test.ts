import { expect, test } from 'vitest'
import { MAX_PAGE_BYTES, pageOf, readPageToken, writePageToken } from './paging.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

const readAll = (pageSize: number, items: readonly number[], bytesOf?: (item: number) => number) => {
  const pages: number[][] = []
  let pageToken = ''
  do {
    const page = pageOf('n', items, { pageSize, pageToken }, bytesOf)
    pages.push(page.items)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return pages
}

test('the default page size is 50 and the maximum is 1000', () => {
  expect(pageOf('n', numbers(2000), { pageSize: 0, pageToken: '' }).items).toHaveLength(50)
  expect(pageOf('n', numbers(2000), { pageSize: 5000, pageToken: '' }).items).toHaveLength(1000)
})

test('the pages of a list contain each item once', () => {
  expect(readAll(3, numbers(7))).toEqual([[0, 1, 2], [3, 4, 5], [6]])
  expect(readAll(7, numbers(7))).toEqual([numbers(7)])
  expect(readAll(3, [])).toEqual([[]])
})

test('a page ends early at the maximum size, and contains at least one item', () => {
  expect(readAll(3, numbers(4), (item) => (item === 0 ? MAX_PAGE_BYTES + 1 : MAX_PAGE_BYTES / 2))).toEqual([
    [0],
    [1, 2],
    [3],
  ])
})

test.each([
  'x',
  '3',
  writePageToken('other', 3),
  writePageToken('n', -1),
  writePageToken('n', Number.NaN),
  writePageToken('n', 2 ** 60),
  `${writePageToken('n', 3)}A`,
])('the page token %j is rejected', (token) => {
  const rejection = expect.objectContaining({
    reason: 'SPEC_INVALID',
    violations: [{ field: 'page_token', description: 'is not a next_page_token of this list' }],
  })
  expect(() => readPageToken('n', token)).toThrow(rejection)
})

test('a token returns its position', () => {
  expect(readPageToken('n', writePageToken('n', 3, 4))).toEqual([3, 4])
  expect(readPageToken('n', '')).toBeUndefined()
})
