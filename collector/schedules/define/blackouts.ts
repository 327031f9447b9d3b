import type { Blackout } from '#proto/meshgauge/collector/v1/schedule.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { parseCron } from './cron.ts'

/** Periods in which no start begins. Moments are Unix milliseconds. */
export type Blackouts = {
  /** When the blackout at a moment ends; undefined when there is none at that moment. */
  endAt(moment: number): number | undefined
}

/** Adjacent blackouts count as one. This bounds the search where they follow each other without a gap. */
const MAX_JOINED = 20

/** Bounds the search through the begins of one blackout that overlaps with itself. */
const MAX_BEGINS = 1000

/** @throws Error for a pattern in which cronProblem finds something */
export const createBlackouts = (list: readonly Blackout[], timeZone: string): Blackouts => {
  const blackouts = list.map(({ cron, duration }) => ({
    cron: parseCron(cron, timeZone),
    length: Math.round((fromDuration(duration) ?? 0) * 1000),
  }))
  const endOfOne = (moment: number): number | undefined => {
    let end: number | undefined
    for (const { cron, length } of blackouts) {
      let begin = cron.nextRun(new Date(moment - length))?.getTime()
      for (let count = 0; begin !== undefined && begin <= moment && count < MAX_BEGINS; count++) {
        end = Math.max(end ?? 0, begin + length)
        begin = cron.nextRun(new Date(begin))?.getTime()
      }
    }
    return end
  }
  return {
    endAt(moment) {
      let end = endOfOne(moment)
      for (let count = 0; end !== undefined && count < MAX_JOINED; count++) {
        const later = endOfOne(end)
        if (later === undefined) break
        end = later
      }
      return end
    },
  }
}
