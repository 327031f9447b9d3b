/** Page sizes and page tokens of all List RPCs. */

import { throwIfInvalid } from './errors.ts'

export const DEFAULT_PAGE_SIZE = 50
export const MAX_PAGE_SIZE = 1000

/** A page ends early at this size, so that it stays well below the maximum message size of 16 MiB. */
export const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** The page size to use for a requested one; 0 selects the default. */
export const pageSizeOf = (requested: number): number =>
  requested === 0 ? DEFAULT_PAGE_SIZE : Math.min(requested, MAX_PAGE_SIZE)

/**
 * An opaque token for a position in a list.
 * @param list name of the list, so that a token of another list is rejected
 */
export const writePageToken = (list: string, ...position: readonly number[]): string =>
  Buffer.from(`${list}:${position.join('.')}`).toString('base64url')

/**
 * The position that `writePageToken` encoded, or undefined for the first page.
 * @throws OperatingError SPEC_INVALID for anything else
 */
export const readPageToken = (list: string, token: string): number[] | undefined => {
  if (token === '') return undefined
  const text = Buffer.from(token, 'base64url').toString()
  const position = text.startsWith(`${list}:`)
    ? text
        .slice(list.length + 1)
        .split('.')
        .map(Number)
    : []
  const isValid =
    position.every((part) => Number.isSafeInteger(part) && part >= 0) &&
    writePageToken(list, ...position) === token
  if (isValid) return position
  throwIfInvalid('the request', [
    { field: 'page_token', description: 'is not a next_page_token of this list' },
  ])
  return undefined
}

export type PageRequest = { pageSize: number; pageToken: string }

/**
 * One page of a list that is complete in memory.
 * @param bytesOf encoded size of an item, for lists whose pages could exceed the maximum message size
 * @throws OperatingError SPEC_INVALID for a token of another list
 */
export const pageOf = <T>(
  list: string,
  items: readonly T[],
  { pageSize, pageToken }: PageRequest,
  bytesOf: (item: T) => number = () => 0,
): { items: T[]; nextPageToken: string } => {
  const start = readPageToken(list, pageToken)?.[0] ?? 0
  const page: T[] = []
  let bytes = 0
  for (const item of items.slice(start, start + pageSizeOf(pageSize))) {
    bytes += bytesOf(item)
    if (page.length > 0 && bytes > MAX_PAGE_BYTES) break
    page.push(item)
  }
  const end = start + page.length
  return { items: page, nextPageToken: end < items.length ? writePageToken(list, end) : '' }
}
