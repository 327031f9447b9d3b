import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { countOf } from '../../lib/histogram.ts'
import { createWindows } from './windows.ts'

const WINDOW = 10
const make = () => {
  let news = 0
  const windows = createWindows({
    roundTripsPerWindow: 100,
    windowSeconds: () => WINDOW,
    onNews: () => {
      news++
    },
  })
  return { windows, news: () => news }
}
const secondsOf = (stamp: MeshWindows['startTime']) => stamp!.seconds + stamp!.nanos / 1e9
const flat = (groups: readonly MeshWindows[]) =>
  groups.flatMap(({ startTime, endTime, windows }) =>
    windows.map((window) => ({ ...window, start: secondsOf(startTime), end: secondsOf(endTime) })),
  )

test('what is told adds up to what was recorded, and the windows of a target follow each other without a gap', () => {
  const step = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('probe' as const),
        target: fc.nat(79),
        rtt: fc.option(fc.double({ min: 1e-6, max: 2, noNaN: true })),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('news' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('all' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { windows } = make()
      const slots = Array.from({ length: 80 }, (_, index) => windows.add(1000 + index, 0))
      const told: ReturnType<typeof flat> = []
      const sent = new Map<number, (number | undefined)[]>()
      let now = 0
      for (const event of steps) {
        now += 0.5
        if (event.kind === 'probe') {
          const rtt = event.rtt ?? undefined
          windows.record(slots[event.target]!, rtt, '', now)
          sent.set(1000 + event.target, [...(sent.get(1000 + event.target) ?? []), rtt])
        } else told.push(...flat(event.kind === 'news' ? windows.closeNews(now) : windows.closeAll(now)))
      }
      told.push(...flat(windows.closeAll(now)))
      for (const [target, probes] of sent) {
        const own = told.filter(({ targetId }) => targetId === target)
        const answers = probes.filter((rtt) => rtt !== undefined)
        const sum = (pick: (window: (typeof own)[number]) => number) =>
          own.reduce((total, one) => total + pick(one), 0)
        expect(sum((one) => one.sentCount)).toBe(probes.length)
        expect(sum((one) => one.receivedCount)).toBe(answers.length)
        expect(sum((one) => one.rttSumSeconds)).toBeCloseTo(
          answers.reduce((total, rtt) => total + rtt, 0),
          9,
        )
        for (const one of own)
          expect(countOf({ scale: 5, offset: 0, counts: one.histogramCounts, sum: undefined })).toBe(
            one.receivedCount,
          )
        const trailing = probes.length - 1 - probes.findLastIndex((rtt) => rtt !== undefined)
        expect(own.at(-1)!.trailingLostCount).toBe(trailing)
        for (const [index, one] of own.entries())
          expect(one.start).toBeGreaterThanOrEqual(index === 0 ? 0 : own[index - 1]!.end)
      }
    }),
    { numRuns: 50 },
  )
})

test('windows of well targets end together; a loss, and the answer after it, end one early', () => {
  const { windows, news } = make()
  const [well, ill] = [windows.add(1, 100), windows.add(2, 100)]
  windows.record(well, 0.001, '', 101)
  windows.record(ill, 0.001, '', 101)
  expect(news()).toBe(0)
  windows.record(ill, undefined, 'no route', 102)
  expect(news()).toBe(1)
  const [early] = flat(windows.closeNews(102.25))
  expect(early).toMatchObject({
    targetId: 2,
    sentCount: 2,
    receivedCount: 1,
    trailingLostCount: 1,
    reason: 'no route',
    start: 100,
    end: 102.25,
  })
  windows.record(ill, 0.002, '', 103)
  expect(flat(windows.closeNews(103.25))).toMatchObject([
    { targetId: 2, trailingLostCount: 0, start: 102.25, reason: '' },
  ])
  windows.record(ill, 0.002, '', 104)
  expect(windows.closeNews(104.5)).toEqual([])
  expect(flat(windows.closeAll(110)).map(({ targetId, start, end }) => [targetId, start, end])).toEqual([
    [1, 100, 110],
    [2, 103.25, 110],
  ])
})

test('what has long been bad is told with the others, but its second loss in a row and its return at once', () => {
  const { windows } = make()
  const slot = windows.add(1, 0)
  let early = 0
  for (let now = 1; now <= 120; now++) {
    windows.record(slot, undefined, '', now)
    early += windows.closeNews(now).length
    if (now % WINDOW === 0) windows.closeAll(now)
  }
  expect(early).toBe(60)
  windows.record(slot, 0.001, '', 121)
  expect(windows.closeNews(121)).toHaveLength(1)
  windows.record(slot, undefined, '', 122)
  expect(windows.closeNews(122)).toHaveLength(0)
  windows.record(slot, undefined, '', 123)
  expect(windows.closeNews(123)).toHaveLength(1)
  // A whole window without a loss, and the next one is news again.
  for (let now = 124; now <= 150; now++) {
    windows.record(slot, 0.001, '', now)
    if (now % WINDOW === 0) windows.closeAll(now)
  }
  windows.closeNews(150)
  windows.record(slot, undefined, '', 151)
  expect(windows.closeNews(151)).toHaveLength(1)
})

test('a full window asks for its end, and counts nothing that it has no room for', () => {
  const { windows, news } = make()
  const slot = windows.add(1, 0)
  for (let probe = 0; probe < 150; probe++) windows.record(slot, 0.001, '', probe / 100)
  expect(news()).toBe(1)
  expect(flat(windows.closeNews(2))).toMatchObject([{ sentCount: 100, receivedCount: 100 }])
})

test('a window that is nearly full ends before anything is not counted', () => {
  const { windows, news } = make()
  const slot = windows.add(1, 0)
  let sent = 0
  for (let probe = 0; probe < 1000; probe++) {
    const before = news()
    windows.record(slot, 0.001, '', probe / 100)
    // The end comes a tenth of a second after it was asked for.
    if (news() === before && probe % 10 === 9)
      for (const { sentCount } of flat(windows.closeNews(probe / 100))) sent += sentCount
  }
  for (const { sentCount } of flat(windows.closeAll(10))) sent += sentCount
  expect(sent).toBe(1000)
})

test('windows that are to hold more keep what they have', () => {
  const { windows, news } = make()
  const slots = Array.from({ length: 70 }, (_, index) => windows.add(index, 0))
  for (const slot of slots) for (let probe = 0; probe < 50; probe++) windows.record(slot, slot + 1, '', 1)
  windows.makeRoom(300)
  windows.makeRoom(200)
  for (const slot of slots) for (let probe = 0; probe < 200; probe++) windows.record(slot, slot + 1, '', 2)
  expect(news()).toBe(0)
  const told = flat(windows.closeAll(10))
  expect(told).toHaveLength(70)
  for (const { targetId, receivedCount, rttSumSeconds, histogramCounts } of told) {
    expect(receivedCount).toBe(250)
    expect(rttSumSeconds).toBe(250 * (targetId + 1))
    expect(histogramCounts).toEqual([250])
  }
})

test('a place that was given back begins anew', () => {
  const { windows } = make()
  const first = windows.add(1, 0)
  windows.record(first, undefined, 'gone', 1)
  expect(flat(windows.remove([first], 2))).toMatchObject([{ targetId: 1, end: 2 }])
  const second = windows.add(2, 3)
  expect(second).toBe(first)
  windows.record(second, 0.001, '', 4)
  expect(flat(windows.closeAll(5))).toMatchObject([
    { targetId: 2, start: 3, sentCount: 1, trailingLostCount: 0, reason: '', jitterSeconds: 0 },
  ])
})

test('a target that is probed often is told of twice a second at the most, and nothing of it is held for longer', () => {
  const INTERVAL = 0.05
  const { windows, news } = make()
  const slot = windows.add(1, 0)
  const told: { at: number; trailing: number; lost: number }[] = []
  let lost = 0
  for (let step = 1; step <= 80; step++) {
    const now = step * INTERVAL
    // Some of the first seconds' probes are lost, and all of those after.
    const isLost = now > 2 || step % 3 === 0
    windows.record(slot, isLost ? undefined : 0.001, '', now)
    lost += isLost ? 1 : 0
    const before = news()
    for (const { trailingLostCount, sentCount, receivedCount } of flat(windows.closeNews(now)))
      told.push({ at: now, trailing: trailingLostCount, lost: sentCount - receivedCount })
    const sum = told.reduce((all, each) => all + each.lost, 0)
    // What waits asks for the next call.
    if (sum < lost) expect(news()).toBeGreaterThan(before)
    expect(now - (told.at(-1)?.at ?? now)).toBeLessThan(0.55)
  }
  const gaps = told.slice(1).map(({ at }, index) => at - told[index]!.at)
  expect(Math.min(...gaps)).toBeGreaterThan(0.49)
  // The row that is long enough to say that the path is down is told soon after it is.
  expect(told.find(({ trailing }) => trailing >= 18)!.at).toBeLessThan(3.5)
})

test('a moment in which nothing was told is in the next window; a whole window of that is a gap', () => {
  const { windows } = make()
  const slot = windows.add(7, 0)
  windows.record(slot, 0.001, '', 1)
  expect(flat(windows.closeAll(8))).toMatchObject([{ start: 0, end: 8 }])
  // The engine was not sure of what it lost meanwhile.
  expect(windows.closeAll(9.7)).toEqual([])
  windows.record(slot, 0.001, '', 10)
  expect(flat(windows.closeAll(11))).toMatchObject([{ start: 8, end: 11, sentCount: 1 }])
  expect(windows.closeAll(11 + WINDOW)).toEqual([])
  windows.record(slot, 0.001, '', 22)
  expect(flat(windows.closeAll(23))).toMatchObject([{ start: 11 + WINDOW, end: 23 }])
})

test('no two windows of a target begin in the same millisecond, and none of its probes is lost for that', () => {
  const { windows } = make()
  const slot = windows.add(7, 0)
  const told: ReturnType<typeof flat> = []
  windows.record(slot, undefined, '', 9.9998)
  told.push(...flat(windows.closeNews(9.9998)))
  windows.record(slot, undefined, '', 10)
  // The end of the window in its rhythm comes right after the news.
  told.push(...flat(windows.closeAll(10.0001)))
  windows.record(slot, undefined, '', 10.5)
  told.push(...flat(windows.closeNews(10.5)))
  windows.record(slot, undefined, '', 10.501)
  told.push(...flat(windows.closeAll(10.502, true)))
  const starts = told.map(({ start }) => Math.floor(start * 1000))
  expect(new Set(starts).size).toBe(starts.length)
  expect(told.reduce((sum, { sentCount }) => sum + sentCount, 0)).toBe(4)
})
