import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PlannedTimes } from '../define/planned-times.ts'
import { anyMoment, cronTimes, DAY_MS, everyTimes, HOUR_MS } from '../testing/planned-times.ts'
import { decideStart } from './start-decision.ts'

const at = (text: string) => Date.parse(text)
const hourly = everyTimes(3600)
const begin = at('2026-06-01T00:00:00Z')
const NEVER_STARTED = Number.POSITIVE_INFINITY

test('a schedule waits until its start is due', () => {
  expect(decideStart(hourly, begin, begin + HOUR_MS - 1, NEVER_STARTED)).toMatchObject({
    kind: 'wait',
    due: begin + HOUR_MS,
    missed: 0,
  })
  expect(decideStart(hourly, begin, begin + HOUR_MS, NEVER_STARTED)).toMatchObject({
    kind: 'start',
    due: begin + HOUR_MS,
    missed: 0,
    isCatchUp: false,
  })
})

test('missed hourly starts are counted and not repeated', () => {
  const decision = decideStart(hourly, begin, begin + 5.5 * HOUR_MS, NEVER_STARTED)
  expect(decision).toMatchObject({ kind: 'wait', missed: 5, due: begin + 6 * HOUR_MS })
})

test('missed daily starts run once', () => {
  const daily = cronTimes('0 2 * * *')
  const decision = decideStart(daily, at('2026-06-01T02:00:00Z'), at('2026-06-05T12:00:00Z'), NEVER_STARTED)
  expect(decision).toMatchObject({
    kind: 'start',
    missed: 4,
    isCatchUp: true,
    considered: at('2026-06-05T02:00:00Z'),
  })
  const later = decideStart(daily, decision.considered, at('2026-06-05T12:00:01Z'), 1000)
  expect(later).toMatchObject({ kind: 'wait', missed: 0, due: at('2026-06-06T02:00:00Z') })
})

test('a start that is seconds late is not missed', () => {
  expect(decideStart(hourly, begin, begin + HOUR_MS + 20_000, NEVER_STARTED)).toMatchObject({
    kind: 'start',
    due: begin + HOUR_MS,
    missed: 0,
  })
})

/** When a schedule starts, in milliseconds since `startMs`, while the wall clock is set once. */
const startsWhileClockIsSet = (
  times: PlannedTimes,
  { startMs, setAfterMs, stepMs }: { startMs: number; setAfterMs: number; stepMs: number },
): number[] => {
  const starts: number[] = []
  let [elapsed, wall, considered, lastStart] = [0, startMs, startMs, Number.NEGATIVE_INFINITY]
  let isSet = false
  const pass = (milliseconds: number) => {
    elapsed += milliseconds
    wall += milliseconds
  }
  while (elapsed < 12 * times.shortestGap) {
    const decision = decideStart(times, considered, wall, elapsed - lastStart)
    considered = decision.considered
    if (decision.kind === 'start') {
      starts.push(elapsed)
      lastStart = elapsed
      continue
    }
    const pause = Math.max(1, decision.due! - wall)
    if (isSet || elapsed + pause < setAfterMs) pass(pause)
    else {
      // The schedule notices the step within 15 s, at its next look at the clock.
      pass(Math.min(pause, Math.max(0, setAfterMs - elapsed) + 15_000))
      wall += stepMs
      isSet = true
    }
  }
  return starts
}

test('a step of the wall clock in either direction causes no burst of starts and no long pause', () => {
  const regularTimes = fc.oneof(
    fc
      .constantFrom('*/30 * * * *', '0 * * * *', '0 */6 * * *')
      .map((cron) => cronTimes(cron, 'Europe/Berlin')),
    fc.integer({ min: 10, max: 100_000 }).map((seconds) => everyTimes(seconds)),
  )
  const gapsBeforeStep = fc.double({ min: 0.1, max: 4, noNaN: true })
  const anyStep = fc.integer({ min: -30 * DAY_MS, max: 30 * DAY_MS })
  fc.assert(
    fc.property(regularTimes, anyMoment, gapsBeforeStep, anyStep, (times, startMs, gaps, stepMs) => {
      const { shortestGap } = times
      const starts = startsWhileClockIsSet(times, { startMs, setAfterMs: gaps * shortestGap, stepMs })
      for (const [index, time] of starts.entries()) {
        if (index === 0) continue
        expect(time - starts[index - 1]!).toBeGreaterThanOrEqual(shortestGap / 2)
        // Some patterns also cross a change of summer time, which adds an hour.
        expect(time - starts[index - 1]!).toBeLessThanOrEqual(3 * shortestGap + HOUR_MS)
      }
      expect(starts.length).toBeGreaterThanOrEqual(4)
      expect(starts.length).toBeLessThanOrEqual(15)
    }),
    { numRuns: 200 },
  )
})
