/** Which pairs are due, and how well all are covered. Moments are Unix seconds; 0 is never. */

/** In a list of moments: at this place there is no pair. */
export const NO_PAIR = 0xffffffff

/** Called now and then while a long list is gone through, so that others get their turn. */
export type YieldIfDue = () => Promise<void>

/** About a millisecond of work between two breaths. */
const SLICE = 20_000

export type CoverageFigures = {
  pairCount: number
  coveredCount: number
  overdueCount: number
  neverCount: number
  /** Of the oldest measurement; undefined without any. */
  oldestSeconds: number | undefined
}

const eachSlice = async (length: number, breathe: YieldIfDue, work: (from: number, to: number) => void) => {
  for (let from = 0; from < length; from += SLICE) {
    if (from > 0) await breathe()
    work(from, Math.min(length, from + SLICE))
  }
}

export const coverageOf = async (
  lasts: Uint32Array,
  { now, within, breathe }: { now: number; within: number; breathe: YieldIfDue },
): Promise<CoverageFigures> => {
  let [pairCount, coveredCount, neverCount, oldest] = [0, 0, 0, Number.POSITIVE_INFINITY]
  const since = now - within
  await eachSlice(lasts.length, breathe, (from, to) => {
    for (let pair = from; pair < to; pair++) {
      const last = lasts[pair]!
      if (last === NO_PAIR) continue
      pairCount++
      if (last === 0) neverCount++
      else {
        if (last >= since) coveredCount++
        if (last < oldest) oldest = last
      }
    }
  })
  return {
    pairCount,
    coveredCount,
    overdueCount: pairCount - coveredCount,
    neverCount,
    oldestSeconds: Number.isFinite(oldest) ? oldest : undefined,
  }
}

export type DueOptions = {
  now: number
  /** The objective, in seconds. */
  within: number
  /** Before the objective by so much a pair should be measured: jitter, and the time that a run takes. */
  slack: number
  /** Later starts within the objective, rising. */
  starts: readonly number[]
  /** Since when never measured pairs wait: when the schedule began. */
  since: number
  /** Someone asks: everything that is overdue at once, not only its share; without any, the share that is oldest. */
  all: boolean
  breathe: YieldIfDue
}

/** Steps in which ages are told apart when pairs are put in order. */
const BINS = 4096

/**
 * This start's share of the pairs, the most overdue first. Of pairs that must be measured within the next k starts at
 * most one k-th part waits for each of them, so that no start has more to do than the fullest one must have: the load is
 * level, and nothing piles up at the deadline. Pairs measured within half the objective are left alone.
 */
export const pickDue = async (lasts: Uint32Array, options: DueOptions): Promise<Int32Array> => {
  const { now, within, slack, starts, since, breathe } = options
  const rests = options.all ? now : now - within / 2
  const bins = new Float64Array(BINS + 1)
  // Moments from which on pairs count: older ones are one bin, as those that were never measured.
  const floor = Math.min(since, now - 2 * within)
  const binOf = (last: number) =>
    last === 0
      ? 0
      : 1 + Math.max(0, Math.min(BINS - 1, Math.floor(((last - floor) / (now - floor + 1)) * BINS)))
  const counts = new Float64Array(starts.length + 1)
  const laterStarts = (last: number): number => {
    const deadline = (last || Math.max(since, floor)) + within - slack
    let [low, high] = [0, starts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= deadline) low = middle + 1
      else high = middle
    }
    return low
  }
  const waits = (last: number) => last !== NO_PAIR && (last === 0 || last <= rests)
  let overdue = 0
  await eachSlice(lasts.length, breathe, (from, to) => {
    for (let pair = from; pair < to; pair++) {
      const last = lasts[pair]!
      if (!waits(last)) continue
      bins[binOf(last)]!++
      counts[laterStarts(last)]!++
      if (last < now - within) overdue++
    }
  })
  let [share, sum] = [options.all ? overdue : 0, 0]
  for (const [later, count] of counts.entries()) {
    sum += count
    share = Math.max(share, Math.ceil(sum / (later + 1)))
  }
  return inOrder(lasts, { bins, binOf, waits, share, breathe })
}

/** A counting sort of the first `share` pairs by bin, then by place. */
const inOrder = async (
  lasts: Uint32Array,
  {
    bins,
    binOf,
    waits,
    share,
    breathe,
  }: {
    bins: Float64Array
    binOf(last: number): number
    waits(last: number): boolean
    share: number
    breathe: YieldIfDue
  },
): Promise<Int32Array> => {
  const begins = new Float64Array(bins.length)
  let [length, lastBin] = [0, -1]
  for (let bin = 0; bin < bins.length && length < share; bin++) {
    begins[bin] = length
    length += bins[bin]!
    lastBin = bin
  }
  const ordered = new Int32Array(length)
  await eachSlice(lasts.length, breathe, (from, to) => {
    for (let pair = from; pair < to; pair++) {
      const last = lasts[pair]!
      if (!waits(last)) continue
      const bin = binOf(last)
      if (bin <= lastBin) ordered[begins[bin]!++] = pair
    }
  })
  return ordered.subarray(0, Math.min(share, length))
}
