import { OperatingError } from '../../lib/errors.ts'

/** The requested part of a list. `size` 0 selects the default size; an empty `token` selects the first page. */
export type Page = { size: number; token: string }

type PageSizes = { usual: number; largest: number }

/** Page sizes that the protocol documents. */
export const RUN_PAGE: PageSizes = { usual: 50, largest: 1000 }
export const RESULT_PAGE: PageSizes = { usual: 500, largest: 5000 }

/** A page ends early at this size, so that it stays well below the 16 MiB that a message may have. */
export const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** Returns the effective page size of a request. */
export const pageSize = (requested: number, { usual, largest }: PageSizes): number =>
  requested === 0 ? usual : Math.min(requested, largest)

/** A row of a list: its position and the encoded message. */
export type Row = { key: number; body: Uint8Array }

/** Page tokens of one list are refused by the others: each token begins with the letter of its list. */
type List = 'u' | 'r' | 'e'
export const RUN_LIST: List = 'u'
export const RESULT_LIST: List = 'r'
export const EVENT_LIST: List = 'e'

/** The token that continues after the row with this key. */
const pageToken = (list: List, key: number): string => Buffer.from(`${list}${key}`).toString('base64url')

/**
 * Returns the key of the last row of the previous page; undefined for the first page.
 * @throws OperatingError SPEC_INVALID when the token is not from this list
 */
export const readPageToken = (list: List, token: string): number | undefined => {
  if (token === '') return undefined
  const text = Buffer.from(token, 'base64url').toString()
  const key = text.startsWith(list) ? Number(text.slice(list.length)) : Number.NaN
  if (Number.isSafeInteger(key) && key > 0 && pageToken(list, key) === token) return key
  const problem = 'is not a next_page_token of this list'
  throw new OperatingError('SPEC_INVALID', `page_token: ${problem}`, [
    { field: 'page_token', description: problem },
  ])
}

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
    if (full) return { bodies, nextPageToken: pageToken(list, last) }
    bodies.push(body)
    bytes += body.length
    last = key
  }
  return { bodies, nextPageToken: '' }
}
