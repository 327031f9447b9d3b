/** Which pairs a start should measure. Moments are Unix seconds; 0 is never. */

/** In a list of last times: the pair does not exist, because one of its nodes lacks the interface or does not answer. */
export const PAIR_ABSENT = 0xffffffff

/** Called regularly during long work: yields to other work when this work has blocked the event loop for too long. */
export type YieldIfDue = () => Promise<void>

/** List items that are processed between two calls of YieldIfDue, about 1 ms of work. */
const SLICE = 20_000

export const forEachSlice = async (
  length: number,
  yieldIfDue: YieldIfDue,
  work: (from: number, to: number) => void,
): Promise<void> => {
  for (let from = 0; from < length; from += SLICE) {
    if (from > 0) await yieldIfDue()
    work(from, Math.min(length, from + SLICE))
  }
}

export type DueOptions = {
  now: number
  /** The objective in seconds: every pair must be measured within this time. */
  within: number
  /** A pair should be measured this many seconds before its deadline: jitter, and the time that a run takes. */
  slack: number
  /** Later starts within the objective, rising. */
  laterStarts: readonly number[]
  /** When the schedule began. The deadline of pairs that were never measured counts from here. */
  since: number
  /**
   * True for a start that someone has requested: it measures all pairs that are overdue, or when none is, the oldest ones.
   * Otherwise a start measures its share.
   */
  all: boolean
  yieldIfDue: YieldIfDue
}

/** Number of ages that are distinguished when pairs are sorted. */
const BINS = 4096

/**
 * The rows of the pairs that this start measures, the most overdue first. Of the pairs whose deadline is before the k-th
 * later start, this start takes at least one k-th part. So the load is even over the starts, and no pairs accumulate until
 * their deadline. Pairs measured within half of the objective are not measured again.
 */
export const pickDuePairs = async (lastTimes: Uint32Array, options: DueOptions): Promise<Int32Array> => {
  const { now, within, slack, laterStarts, since, yieldIfDue } = options
  const youngest = options.all ? now : now - within / 2
  const isCandidate = (last: number) => last !== PAIR_ABSENT && (last === 0 || last <= youngest)
  // Older pairs share one bin: they are equally overdue. So do pairs that were never measured.
  const oldest = Math.min(since, now - 2 * within)
  const binOf = (last: number) =>
    last === 0
      ? 0
      : 1 + Math.max(0, Math.min(BINS - 1, Math.floor(((last - oldest) / (now - oldest + 1)) * BINS)))
  /** How many of the later starts are before the deadline of a pair. */
  const startsBeforeDeadline = (last: number): number => {
    const deadline = (last || Math.max(since, oldest)) + within - slack
    let [low, high] = [0, laterStarts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (laterStarts[middle]! <= deadline) low = middle + 1
      else high = middle
    }
    return low
  }
  const bins = new Float64Array(BINS + 1)
  const counts = new Float64Array(laterStarts.length + 1)
  let overdue = 0
  await forEachSlice(lastTimes.length, yieldIfDue, (from, to) => {
    for (let row = from; row < to; row++) {
      const last = lastTimes[row]!
      if (!isCandidate(last)) continue
      bins[binOf(last)]!++
      counts[startsBeforeDeadline(last)]!++
      if (last < now - within) overdue++
    }
  })
  let [share, sum] = [options.all ? overdue : 0, 0]
  for (const [later, count] of counts.entries()) {
    sum += count
    share = Math.max(share, Math.ceil(sum / (later + 1)))
  }
  return sortByBin(lastTimes, { bins, binOf, isCandidate, share, yieldIfDue })
}

/** The first `share` candidates by bin, then by row: a counting sort. */
const sortByBin = async (
  lastTimes: Uint32Array,
  {
    bins,
    binOf,
    isCandidate,
    share,
    yieldIfDue,
  }: {
    bins: Float64Array
    binOf(last: number): number
    isCandidate(last: number): boolean
    share: number
    yieldIfDue: YieldIfDue
  },
): Promise<Int32Array> => {
  const nextOfBin = new Float64Array(bins.length)
  let [length, lastBin] = [0, -1]
  for (let bin = 0; bin < bins.length && length < share; bin++) {
    nextOfBin[bin] = length
    length += bins[bin]!
    lastBin = bin
  }
  const sorted = new Int32Array(length)
  await forEachSlice(lastTimes.length, yieldIfDue, (from, to) => {
    for (let row = from; row < to; row++) {
      const last = lastTimes[row]!
      if (!isCandidate(last)) continue
      const bin = binOf(last)
      if (bin <= lastBin) sorted[nextOfBin[bin]!++] = row
    }
  })
  return sorted.subarray(0, Math.min(share, length))
}
