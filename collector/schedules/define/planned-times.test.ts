import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyMoment, anyTimes, cronTimes, DAY_MS, everyTimes, HOUR_MS } from '../testing/planned-times.ts'
import { duePlannedTimes, type PlannedTimes } from './planned-times.ts'

const at = (text: string) => Date.parse(text)

/** The first `count` planned times after a moment. */
const firstTimes = (times: PlannedTimes, from: string, count: number): string[] => {
  const all: string[] = []
  for (let planned = times.after(at(from)); planned !== undefined && all.length < count; ) {
    all.push(new Date(planned).toISOString())
    planned = times.after(planned)
  }
  return all
}

describe('changes to and from summer time', () => {
  test('a local time that does not exist is planned once, after the change', () => {
    expect(firstTimes(cronTimes('30 2 * * *', 'Europe/Berlin'), '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  test('a local time that occurs twice is planned once', () => {
    expect(firstTimes(cronTimes('30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
  })

  test('a schedule of every half hour keeps its interval', () => {
    const halfHours = cronTimes('*/30 * * * *', 'Europe/Berlin')
    const times = firstTimes(halfHours, '2026-10-24T23:45:00Z', 8).map(Date.parse)
    for (const [index, time] of times.entries())
      if (index > 0) expect(time - times[index - 1]!).toBe(HOUR_MS / 2)
  })
})

test('the next planned time is in the future, and none is left out before it', () => {
  fc.assert(
    fc.property(anyTimes, anyMoment, fc.integer({ min: 1, max: DAY_MS }), (times, moment, back) => {
      const next = times.after(moment)!
      expect(next).toBeGreaterThan(moment)
      const earlier = times.after(moment - back)!
      expect(earlier).toBeLessThanOrEqual(next)
      if (earlier > moment) expect(earlier).toBe(next)
    }),
  )
})

test('jitter delays by a bounded and repeatable time, and keeps the order of the starts', () => {
  fc.assert(
    fc.property(anyTimes, anyMoment, (times, moment) => {
      let last = 0
      let planned = times.after(moment)!
      for (let count = 0; count < 20; count++) {
        const due = times.dueTime(planned)
        expect(due).toBeGreaterThanOrEqual(planned)
        expect(due).toBeGreaterThanOrEqual(last)
        expect(times.dueTime(planned)).toBe(due)
        last = due
        const next = times.after(planned)!
        expect(due).toBeLessThan(next)
        planned = next
      }
    }),
  )
})

test('the delays by jitter are spread over its whole range', () => {
  const times = everyTimes(3600, 600)
  const shares = Array.from({ length: 200 }, (_, index) => {
    const planned = at('2026-01-01T00:00:00Z') + (index + 1) * HOUR_MS
    return (times.dueTime(planned) - planned) / 600_000
  })
  expect(Math.min(...shares)).toBeLessThan(0.1)
  expect(Math.max(...shares)).toBeGreaterThan(0.9)
  expect(Math.max(...shares)).toBeLessThan(1)
})

test('due times are counted up to 1000, and the last one is found among millions', () => {
  const times = everyTimes(1)
  const from = at('2026-01-01T00:00:00Z')
  expect(duePlannedTimes(times, from, from + 10_500)).toEqual({ count: 10, last: from + 10_000 })
  const year = from + 365 * DAY_MS + 400
  expect(duePlannedTimes(times, from, year)).toEqual({ count: 1000, last: year - 400 })
})
