import { expect, test } from 'vitest'
import { PATTERNS, ZONES } from '../testing/planned-times.ts'
import { cronProblem, timeZoneProblem } from './cron.ts'

test.each([
  ['0 25 * * *', /Invalid value for hour: 25/],
  ['x y', /five fields/],
  ['2026-11-20T00:00:00', /five fields/],
  ['0 0 31 2 *', /never occurs/],
  ['@dayly', /is not a crontab line/],
  ['0 0 1 1 * * 2030', /five fields/],
])('the pattern %s has a problem', (cron, problem) => {
  expect(cronProblem(cron, 'UTC')).toMatch(problem)
})

test('valid patterns and time zones have no problem', () => {
  for (const cron of [...PATTERNS, '@daily', '*/10 * * * * *', '0 2 * * MON'])
    expect(cronProblem(cron, '')).toBeUndefined()
  for (const zone of ZONES) expect(timeZoneProblem(zone)).toBeUndefined()
})

test('an unknown time zone gets a hint', () => {
  expect(timeZoneProblem('Europe/Berln')).toMatch(/did you mean Europe\/Berlin\?/)
})
