import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { countOf } from '../../lib/histogram.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { UNUSABLE_RTT } from './engine.ts'
import { createStatistics, createTargetResult } from './statistics.ts'

const answered = (rttSeconds: number) => ({ targetIndex: 0, rttSeconds, refused: false, reason: '' })
const lost = (reason = '') => ({ targetIndex: 0, rttSeconds: undefined, refused: false, reason })
const refused = { targetIndex: 0, rttSeconds: 0.001, refused: true, reason: 'connection refused' }

test('reports loss and times of a few probes', () => {
  const statistics = createStatistics()
  for (const probe of [answered(0.01), lost(), answered(0.03), answered(0.02)]) statistics.add(probe)
  const { sentCount, receivedCount, lossRatio, rtt, histogram } = statistics.snapshot()
  expect({ sentCount, receivedCount, lossRatio }).toEqual({ sentCount: 4, receivedCount: 3, lossRatio: 0.25 })
  expect(fromDuration(rtt?.min)).toBe(0.01)
  expect(fromDuration(rtt?.avg)).toBeCloseTo(0.02, 9)
  expect(fromDuration(rtt?.max)).toBe(0.03)
  // (20 ms + 10 ms) / 2
  expect(fromDuration(rtt?.jitter)).toBeCloseTo(0.015, 9)
  expect(countOf(histogram!)).toBe(3)
})

test('times are ordered for any probes, and windows add up to all of them', () => {
  const probes = fc.array(fc.option(fc.double({ min: 1e-6, max: 10, noNaN: true }), { nil: undefined }))
  fc.assert(
    fc.property(probes, fc.integer({ min: 1, max: 10 }), (all, every) => {
      const statistics = createStatistics()
      let sent = 0
      let received = 0
      for (const [index, rttSeconds] of all.entries()) {
        statistics.add({ ...lost(), rttSeconds })
        if (index % every !== 0) continue
        const window = statistics.take()!
        sent += window.sentCount
        received += window.receivedCount
        const { min, p50, p99, max } = window.rtt ?? {}
        if (!min) continue
        const times = [min, p50, p99, max].map((each) => fromDuration(each) ?? Number.NaN)
        expect(times.toSorted((a, b) => a - b)).toEqual(times)
      }
      const rest = statistics.take()
      expect(sent + (rest?.sentCount ?? 0)).toBe(all.length)
      const answers = all.filter((each) => each !== undefined).length
      expect(received + (rest?.receivedCount ?? 0)).toBe(answers)
      expect(statistics.take()).toBeUndefined()
    }),
  )
})

test('a window of a single probe has jitter, relative to the probe before it', () => {
  const statistics = createStatistics()
  statistics.add(answered(0.01))
  expect(statistics.take()?.rtt?.jitter).toBeUndefined()
  statistics.add(answered(0.012))
  expect(fromDuration(statistics.take()?.rtt?.jitter)).toBeCloseTo(0.002, 9)
})

test('100 % loss has no round-trip times, and no 0', () => {
  const statistics = createStatistics()
  statistics.add(lost())
  expect(statistics.snapshot()).toEqual({
    sentCount: 1,
    receivedCount: 0,
    lossRatio: 1,
    rtt: undefined,
    histogram: undefined,
  })
})

test.each([
  ['one answer is enough', [lost(), answered(0.01)], Outcome.OUTCOME_MEASURED, ''],
  ['an answer and refusals', [refused, answered(0.01)], Outcome.OUTCOME_MEASURED, ''],
  ['refusals only', [lost(), refused], Outcome.OUTCOME_REFUSED, 'connection refused'],
  [
    'nothing',
    [lost('no route'), lost()],
    Outcome.OUTCOME_UNREACHABLE,
    'no answer to any of 2 probes: no route',
  ],
  ['silence', [lost()], Outcome.OUTCOME_UNREACHABLE, 'no answer to any of 1 probes'],
  ['never begun', [], Outcome.OUTCOME_NOT_RUN, 'no probe was sent'],
])('outcome of a target: %s', (_, probes, outcome, reason) => {
  const target = createTargetResult(3)
  for (const probe of probes) target.add(probe)
  expect(target.result()).toMatchObject({ targetIndex: 3, outcome, reason })
})

test('an answer without a usable time is received, and has no time', () => {
  const statistics = createStatistics()
  for (const probe of [answered(0.01), answered(UNUSABLE_RTT), lost()]) statistics.add(probe)
  const { sentCount, receivedCount, rtt, histogram } = statistics.snapshot()
  expect({ sentCount, receivedCount }).toEqual({ sentCount: 3, receivedCount: 2 })
  expect([fromDuration(rtt?.min), fromDuration(rtt?.avg), countOf(histogram!)]).toEqual([0.01, 0.01, 1])
  const target = createTargetResult(0)
  target.add(answered(UNUSABLE_RTT))
  expect(target.result()).toMatchObject({
    outcome: Outcome.OUTCOME_MEASURED,
    statistics: { receivedCount: 1, lossRatio: 0, rtt: undefined, histogram: undefined },
  })
})
