import type { PairCoverage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Scope } from './coverage.ts'
import { NO_PAIR, type YieldIfDue } from './due.ts'

/** As GetCoverageRequest promises. */
const PAGE = { usual: 100, largest: 5000 }
const SLICE = 20_000

/** The last pair of a page: when it was measured and where it stands in the list. */
type Mark = { last: number; place: number }

const readToken = (token: string): Mark | undefined => {
  if (token === '') return undefined
  const match = /^c(\d{1,10})\.(\d{1,10})$/.exec(Buffer.from(token, 'base64url').toString())
  if (match) return { last: Number(match[1]), place: Number(match[2]) }
  const description = 'is not a next_page_token of this list'
  throw new OperatingError('SPEC_INVALID', `page_token: ${description}`, [
    { field: 'page_token', description },
  ])
}

const writeToken = ({ last, place }: Mark): string => Buffer.from(`c${last}.${place}`).toString('base64url')

/** Those never measured first, then oldest first. */
const byAge = (a: Mark, b: Mark): number => a.last - b.last || a.place - b.place

/**
 * The overdue pairs of a scope that come after a page token.
 * @throws OperatingError SPEC_INVALID for a foreign token
 */
export const overduePage = async (
  scope: Scope,
  since: number,
  page: { size: number; token: string },
  breathe: YieldIfDue,
): Promise<{ overdue: PairCoverage[]; nextPageToken: string }> => {
  const size = page.size === 0 ? PAGE.usual : Math.min(page.size, PAGE.largest)
  const after = readToken(page.token)
  const { lasts, sources, destinations, nodes, interfaces } = scope
  let best: Mark[] = []
  /** What comes after this is not on the page. */
  let worst: Mark | undefined
  const trim = () => {
    best = best.sort(byAge).slice(0, size + 1)
    worst = best[size]
  }
  for (let place = 0; place < lasts.length; place++) {
    if (place > 0 && place % SLICE === 0) await breathe()
    const mark = { last: lasts[place]!, place }
    if (mark.last === NO_PAIR || mark.last >= since || (after && byAge(mark, after) <= 0)) continue
    if (worst && byAge(mark, worst) > 0) continue
    best.push(mark)
    // Twice the page is sorted once for each page's worth of new ones.
    if (best.length >= 2 * size + 2) trim()
  }
  trim()
  const overdue = best.slice(0, size).map(({ last, place }): PairCoverage => {
    const pair = place % sources.length
    return {
      source: nodes[sources[pair]!]!.name,
      destination: nodes[destinations[pair]!]!.name,
      interface: interfaces[Math.floor(place / sources.length)]!,
      lastTime: last === 0 ? undefined : toTimestamp(new Date(last * 1000)),
    }
  })
  return { overdue, nextPageToken: best.length > size ? writeToken(best[size - 1]!) : '' }
}
