import { MAX_PAGE_BYTES, readPageToken, writePageToken } from '../../../lib/paging.ts'

export type Row = { key: number; body: Uint8Array }

/** The key of the last row of the previous page, or undefined for the first page. @throws OperatingError SPEC_INVALID */
export const readRowToken = (list: string, token: string): number | undefined =>
  readPageToken(list, token)?.[0]

/** Takes rows up to the maximum size of a page, in rows and in bytes. The token is empty on the last page. */
export const takePage = (
  list: string,
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
