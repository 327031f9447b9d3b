import { MAX_PAGE_SIZE } from '../../lib/paging.ts'

type Page = { nextPageToken: string }
type PageRequest = { pageSize: number; pageToken: string }

/** Yields every page of a List RPC. */
async function* pagesOf<P extends Page>(list: (request: PageRequest) => Promise<P>): AsyncGenerator<P> {
  let pageToken = ''
  do {
    const page = await list({ pageSize: MAX_PAGE_SIZE, pageToken })
    yield page
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}

/**
 * Returns the items of all pages of a List RPC.
 * @param limit maximum number of items
 */
export const readPages = async <P extends Page, T>(
  list: (request: PageRequest) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
  limit = Number.POSITIVE_INFINITY,
): Promise<T[]> => {
  const items: T[] = []
  for await (const page of pagesOf(list)) {
    items.push(...itemsOf(page))
    if (items.length >= limit) break
  }
  return items.slice(0, limit)
}
