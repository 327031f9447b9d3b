import { OperatingError } from '../../lib/errors.ts'
import { MAX_PAGE_BYTES } from './store.ts'

export type Row = { key: number; body: Uint8Array }

/** A token is the key of the last row of its page; the letter keeps tokens of one list out of another. */
const pageToken = (list: string, key: number): string => Buffer.from(`${list}${key}`).toString('base64url')

/** The key to go on from, or undefined at the beginning. */
export const readPageToken = (list: string, token: string): number | undefined => {
  if (token === '') return undefined
  const text = Buffer.from(token, 'base64url').toString()
  const key = text.startsWith(list) ? Number(text.slice(list.length)) : Number.NaN
  if (Number.isSafeInteger(key) && key > 0 && pageToken(list, key) === token) return key
  const problem = 'is not a next_page_token of this list'
  throw new OperatingError('SPEC_INVALID', `page_token: ${problem}`, [
    { field: 'page_token', description: problem },
  ])
}

/** Takes rows up to the size of a page, in number and in bytes; the token is empty when that was all. */
export const takePage = (
  list: string,
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
