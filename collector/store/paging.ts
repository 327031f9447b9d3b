import { MAX_PAGE_BYTES, readPageToken, writePageToken } from '../../lib/paging.ts'

/** The requested part of a list. `size` 0 selects the default size; an empty `token` selects the first page. */
export type Page = { size: number; token: string }

/** A row of a list: its position and the encoded message. */
export type Row = { key: number; body: Uint8Array }

export const RUN_LIST = 'runs'
export const RESULT_LIST = 'results'
export const EVENT_LIST = 'events'
type List = typeof RUN_LIST | typeof RESULT_LIST | typeof EVENT_LIST

/**
 * Returns the key of the last row of the previous page; undefined for the first page.
 * @throws OperatingError SPEC_INVALID when the token is not from this list
 */
export const readRowToken = (list: List, token: string): number | undefined => readPageToken(list, token)?.[0]

/** Takes rows up to `size` rows and MAX_PAGE_BYTES bytes. The returned token is empty on the last page. */
export const takePage = <R extends Row>(
  list: List,
  rows: Iterable<R>,
  size: number,
): { page: R[]; nextPageToken: string } => {
  const page: R[] = []
  let [bytes, last] = [0, 0]
  for (const row of rows) {
    const full = page.length === size || (page.length > 0 && bytes + row.body.length > MAX_PAGE_BYTES)
    if (full) return { page, nextPageToken: writePageToken(list, last) }
    page.push(row)
    bytes += row.body.length
    last = row.key
  }
  return { page, nextPageToken: '' }
}
