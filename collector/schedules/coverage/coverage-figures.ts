import type { Coverage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { forEachSlice, PAIR_ABSENT, type YieldIfDue } from './due-pairs.ts'

/** How completely and how recently the pairs were measured. */
export type CoverageFigures = {
  pairCount: number
  coveredCount: number
  overdueCount: number
  neverCount: number
  /** Unix seconds of the oldest last measurement; undefined when no pair was measured. */
  oldestSeconds: number | undefined
}

/** @param options.within the objective in seconds: a pair is covered when it was measured within this time */
export const coverageFiguresOf = async (
  lastTimes: Uint32Array,
  { now, within, yieldIfDue }: { now: number; within: number; yieldIfDue: YieldIfDue },
): Promise<CoverageFigures> => {
  let [pairCount, coveredCount, neverCount, oldest] = [0, 0, 0, Number.POSITIVE_INFINITY]
  const since = now - within
  await forEachSlice(lastTimes.length, yieldIfDue, (from, to) => {
    for (let row = from; row < to; row++) {
      const last = lastTimes[row]!
      if (last === PAIR_ABSENT) continue
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

export const coverageMessage = (figures: CoverageFigures, nowSeconds: number): Coverage => ({
  pairCount: figures.pairCount,
  coveredCount: figures.coveredCount,
  overdueCount: figures.overdueCount,
  neverCount: figures.neverCount,
  oldestAge:
    figures.oldestSeconds === undefined
      ? undefined
      : toDuration(Math.max(0, nowSeconds - figures.oldestSeconds)),
})
