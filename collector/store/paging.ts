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
export const takePage = (
  list: List,
  rows: Iterable<Row>,
  size: number,
): { bodies: Uint8Array[]; nextPageToken: string } => {
  const bodies: Uint8Array[] = []
  let [bytes, last] = [0, 0]
  for (const { key, body } of rows) {
    const full = bodies.length === size || (bodies.length > 0 && bytes + body.length > MAX_PAGE_BYTES)
    if (full) return { bodies, nextPageToken: writePageToken(list, last) }
    bodies.push(body)
    bytes += body.length
    last = key
  }
  return { bodies, nextPageToken: '' }
}
