import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Blackout, ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { decide } from './decide.ts'
import { blackoutsOf, cronProblem, passed, type Times, timesOf, timeZoneProblem } from './times.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const at = (text: string) => Date.parse(text)
const cronTimes = (cron: string, timeZone = 'UTC', jitterSeconds = 0): Times =>
  timesOf(
    ScheduleSpec.fromPartial({
      name: 'x',
      when: { $case: 'cron', value: cron },
      timeZone,
      jitter: toDuration(jitterSeconds),
    }),
    at('2026-01-01T00:00:00Z'),
  )!
const everyTimes = (seconds: number, jitterSeconds = 0, anchor = at('2026-01-01T00:00:00Z')): Times =>
  timesOf(
    ScheduleSpec.fromPartial({
      name: 'x',
      when: { $case: 'every', value: toDuration(seconds) },
      jitter: toDuration(jitterSeconds),
    }),
    anchor,
  )!
const listed = (times: Times, from: string, count: number): string[] => {
  const all: string[] = []
  for (let planned = times.after(at(from)); planned !== undefined && all.length < count; ) {
    all.push(new Date(planned).toISOString())
    planned = times.after(planned)
  }
  return all
}

const PATTERNS = [
  '0 2 * * *',
  '30 2 * * *',
  '*/30 * * * *',
  '0 */6 * * *',
  '15 1,2,3 * * *',
  '0 3 * * 1-5',
  '@weekly',
]
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata']
const moments = fc.integer({ min: at('2026-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') })
const anyTimes = fc.oneof(
  fc
    .tuple(fc.constantFrom(...PATTERNS), fc.constantFrom(...ZONES), fc.integer({ min: 0, max: 90_000 }))
    .map(([cron, zone, jitter]) => cronTimes(cron, zone, jitter)),
  fc
    .tuple(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 0, max: 300_000 }))
    .map(([seconds, jitter]) => everyTimes(seconds, jitter)),
)

describe('summer time', () => {
  test('a time that the clock jumps over comes once, after the jump', () => {
    expect(listed(cronTimes('30 2 * * *', 'Europe/Berlin'), '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  test('a time that the clock shows twice comes once', () => {
    expect(listed(cronTimes('30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
  })

  test('what comes each half hour goes on coming each half hour', () => {
    const times = listed(cronTimes('*/30 * * * *', 'Europe/Berlin'), '2026-10-24T23:45:00Z', 8).map(
      Date.parse,
    )
    for (const [index, time] of times.entries())
      if (index > 0) expect(time - times[index - 1]!).toBe(HOUR / 2)
  })
})

describe('planned times and jitter', () => {
  test('the next time lies ahead, and none is left out between a time and the one after', () => {
    fc.assert(
      fc.property(anyTimes, moments, fc.integer({ min: 1, max: DAY }), (times, moment, back) => {
        const next = times.after(moment)!
        expect(next).toBeGreaterThan(moment)
        const earlier = times.after(moment - back)!
        expect(earlier).toBeLessThanOrEqual(next)
        if (earlier > moment) expect(earlier).toBe(next)
      }),
    )
  })

  test('jitter delays, is bounded, is the same again, and never reorders', () => {
    fc.assert(
      fc.property(anyTimes, moments, (times, moment) => {
        let last = 0
        let planned = times.after(moment)!
        for (let count = 0; count < 20; count++) {
          const due = times.due(planned)
          expect(due).toBeGreaterThanOrEqual(planned)
          expect(due).toBeGreaterThanOrEqual(last)
          expect(times.due(planned)).toBe(due)
          last = due
          const next = times.after(planned)!
          expect(due).toBeLessThan(next)
          planned = next
        }
      }),
    )
  })

  test('jitter spreads over all of its room', () => {
    const times = everyTimes(3600, 600)
    const shares = Array.from({ length: 200 }, (_, index) => {
      const planned = at('2026-01-01T00:00:00Z') + (index + 1) * HOUR
      return (times.due(planned) - planned) / 600_000
    })
    expect(Math.min(...shares)).toBeLessThan(0.1)
    expect(Math.max(...shares)).toBeGreaterThan(0.9)
    expect(Math.max(...shares)).toBeLessThan(1)
  })

  test('what has passed is counted, and the last of very many is found', () => {
    const times = everyTimes(1)
    const from = at('2026-01-01T00:00:00Z')
    expect(passed(times, from, from + 10_500)).toEqual({ count: 10, last: from + 10_000 })
    const year = from + 365 * DAY + 400
    expect(passed(times, from, year)).toEqual({ count: 1000, last: year - 400 })
  })
})

describe('blackouts', () => {
  const office = blackoutsOf(
    [Blackout.fromPartial({ cron: '0 8 * * 1-5', duration: toDuration(10 * 3600) })],
    'UTC',
  )

  test.each([
    ['2026-11-20T07:59:59.999Z', undefined],
    ['2026-11-20T08:00:00.000Z', '2026-11-20T18:00:00.000Z'],
    ['2026-11-20T17:59:59.999Z', '2026-11-20T18:00:00.000Z'],
    ['2026-11-20T18:00:00.000Z', undefined],
    ['2026-11-21T12:00:00.000Z', undefined],
  ])('at %s', (moment, end) => {
    expect(office.until(at(moment))).toBe(end === undefined ? undefined : at(end))
  })

  test('of those that overlap the last one ends it', () => {
    const both = [
      Blackout.fromPartial({ cron: '0 8 * * *', duration: toDuration(3600) }),
      Blackout.fromPartial({ cron: '30 8 * * *', duration: toDuration(7200) }),
    ]
    expect(blackoutsOf(both, 'UTC').until(at('2026-11-20T08:45:00Z'))).toBe(at('2026-11-20T10:30:00Z'))
  })
})

describe('what a schedule does at a moment', () => {
  const hourly = everyTimes(3600)
  const start = at('2026-06-01T00:00:00Z')

  test('it waits, and starts when its time has come', () => {
    expect(decide(hourly, start, start + HOUR - 1, Number.POSITIVE_INFINITY)).toMatchObject({
      kind: 'wait',
      due: start + HOUR,
      missed: 0,
    })
    expect(decide(hourly, start, start + HOUR, Number.POSITIVE_INFINITY)).toMatchObject({
      kind: 'start',
      due: start + HOUR,
      missed: 0,
      madeUp: false,
    })
  })

  test('after an hour without a collector it starts nothing that was missed', () => {
    const decision = decide(hourly, start, start + 5.5 * HOUR, Number.POSITIVE_INFINITY)
    expect(decision).toMatchObject({ kind: 'wait', missed: 5, due: start + 6 * HOUR })
  })

  test('what is daily is made up for once', () => {
    const daily = cronTimes('0 2 * * *')
    const decision = decide(
      daily,
      at('2026-06-01T02:00:00Z'),
      at('2026-06-05T12:00:00Z'),
      Number.POSITIVE_INFINITY,
    )
    expect(decision).toMatchObject({
      kind: 'start',
      missed: 4,
      madeUp: true,
      considered: at('2026-06-05T02:00:00Z'),
    })
    const later = decide(daily, decision.considered, at('2026-06-05T12:00:01Z'), 1000)
    expect(later).toMatchObject({ kind: 'wait', missed: 0, due: at('2026-06-06T02:00:00Z') })
  })

  test('a start that is seconds late is a start', () => {
    expect(decide(hourly, start, start + HOUR + 20_000, Number.POSITIVE_INFINITY)).toMatchObject({
      kind: 'start',
      due: start + HOUR,
      missed: 0,
    })
  })

  test('a clock that is set, in whatever direction, makes no burst and no standstill', () => {
    const regular = fc.oneof(
      fc
        .constantFrom('*/30 * * * *', '0 * * * *', '0 */6 * * *')
        .map((cron) => cronTimes(cron, 'Europe/Berlin')),
      fc.integer({ min: 10, max: 100_000 }).map((seconds) => everyTimes(seconds)),
    )
    fc.assert(
      fc.property(
        regular,
        moments,
        fc.double({ min: 0.1, max: 4, noNaN: true }),
        fc.integer({ min: -30 * DAY, max: 30 * DAY }),
        (times, begin, whenSet, by) => {
          const { gap } = times
          const setAt = whenSet * gap
          let [elapsed, wall, considered, lastStart] = [0, begin, begin, Number.NEGATIVE_INFINITY]
          const starts: number[] = []
          let isSet = false
          const pass = (milliseconds: number) => {
            elapsed += milliseconds
            wall += milliseconds
          }
          while (elapsed < 12 * gap) {
            const decision = decide(times, considered, wall, elapsed - lastStart)
            considered = decision.considered
            if (decision.kind === 'start') {
              starts.push(elapsed)
              lastStart = elapsed
              continue
            }
            const pause = Math.max(1, decision.due! - wall)
            if (isSet || elapsed + pause < setAt) pass(pause)
            else {
              // It is noticed at the next look.
              pass(Math.min(pause, Math.max(0, setAt - elapsed) + 15_000))
              wall += by
              isSet = true
            }
          }
          for (const [index, time] of starts.entries()) {
            if (index === 0) continue
            // A change to summer time by the way is in the patterns too: an hour that is not there or there twice.
            expect(time - starts[index - 1]!).toBeGreaterThanOrEqual(gap / 2)
            expect(time - starts[index - 1]!).toBeLessThanOrEqual(3 * gap + HOUR)
          }
          expect(starts.length).toBeGreaterThanOrEqual(4)
          expect(starts.length).toBeLessThanOrEqual(15)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('problems', () => {
  test.each([
    ['0 25 * * *', /Invalid value for hour: 25/],
    ['x y', /five fields/],
    ['2026-11-20T00:00:00', /five fields/],
    ['0 0 31 2 *', /never comes/],
    ['@dayly', /is not a crontab line/],
    ['0 0 1 1 * * 2030', /five fields/],
  ])('%s', (cron, problem) => {
    expect(cronProblem(cron, 'UTC')).toMatch(problem)
  })

  test('what is right has none', () => {
    for (const cron of [...PATTERNS, '@daily', '*/10 * * * * *', '0 2 * * MON'])
      expect(cronProblem(cron, '')).toBeUndefined()
    for (const zone of ZONES) expect(timeZoneProblem(zone)).toBeUndefined()
    expect(timeZoneProblem('Europe/Berln')).toMatch(/did you mean Europe\/Berlin\?/)
  })
})
