import type { PairCoverage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { pageSizeOf, readPageToken, writePageToken } from '../../lib/paging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Scope } from './coverage.ts'
import { NO_PAIR, type YieldIfDue } from './due.ts'

const SLICE = 20_000

/** The last pair of a page: when it was measured and where it stands in the list. */
type Mark = { last: number; place: number }

const readToken = (token: string): Mark | undefined => {
  const position = readPageToken('coverage', token)
  return position && { last: position[0] ?? 0, place: position[1] ?? 0 }
}

const writeToken = ({ last, place }: Mark): string => writePageToken('coverage', last, place)

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
  const size = pageSizeOf(page.size)
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
