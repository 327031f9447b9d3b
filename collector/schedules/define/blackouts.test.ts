import { expect, test } from 'vitest'
import { Blackout } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createBlackouts } from './blackouts.ts'

const at = (text: string) => Date.parse(text)
const blackout = (cron: string, seconds: number) =>
  Blackout.fromPartial({ cron, duration: toDuration(seconds) })

test.each([
  ['2026-11-20T07:59:59.999Z', undefined],
  ['2026-11-20T08:00:00.000Z', '2026-11-20T18:00:00.000Z'],
  ['2026-11-20T17:59:59.999Z', '2026-11-20T18:00:00.000Z'],
  ['2026-11-20T18:00:00.000Z', undefined],
  ['2026-11-21T12:00:00.000Z', undefined],
])('with a blackout from 8 to 18 o’clock on weekdays, the blackout at %s ends at %s', (moment, end) => {
  const officeHours = createBlackouts([blackout('0 8 * * 1-5', 10 * 3600)], 'UTC')
  expect(officeHours.endAt(at(moment))).toBe(end === undefined ? undefined : at(end))
})

test('overlapping blackouts end when the last one ends', () => {
  const both = [blackout('0 8 * * *', 3600), blackout('30 8 * * *', 7200)]
  expect(createBlackouts(both, 'UTC').endAt(at('2026-11-20T08:45:00Z'))).toBe(at('2026-11-20T10:30:00Z'))
})
