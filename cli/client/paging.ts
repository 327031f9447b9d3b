import { MAX_PAGE_SIZE } from '../../lib/paging.ts'

type PageRequest = { pageSize: number; pageToken: string }

/** Reads up to `limit` items of a List RPC, page by page. `hasMore` states whether the list has further items. */
export const readUpTo = async <P extends { nextPageToken: string }, T>(
  limit: number,
  list: (request: PageRequest) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
): Promise<{ items: T[]; hasMore: boolean }> => {
  const items: T[] = []
  let pageToken = ''
  do {
    const page = await list({ pageSize: Math.min(limit - items.length, MAX_PAGE_SIZE), pageToken })
    items.push(...itemsOf(page))
    pageToken = page.nextPageToken
  } while (pageToken !== '' && items.length < limit)
  return { items, hasMore: pageToken !== '' }
}

/** Reads all items of a List RPC, page by page. */
export const readAll = async <P extends { nextPageToken: string }, T>(
  list: (request: PageRequest) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
): Promise<T[]> => (await readUpTo(Number.POSITIVE_INFINITY, list, itemsOf)).items
