import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { countOf } from '../../lib/histogram.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { UNUSABLE_RTT } from '../engines/engine.ts'
import { createWindows } from './windows.ts'

const WINDOW = 10
const make = () => {
  let requests = 0
  const windows = createWindows({
    roundTripsPerWindow: 100,
    windowSeconds: () => WINDOW,
    onEarlyClose: () => {
      requests++
    },
  })
  return { windows, requests: () => requests }
}
const secondsOf = (stamp: MeshWindows['startTime']) => stamp!.seconds + stamp!.nanos / 1e9
const flat = (groups: readonly MeshWindows[]) =>
  groups.flatMap(({ startTime, endTime, windows }) =>
    windows.map((window) => ({ ...window, start: secondsOf(startTime), end: secondsOf(endTime) })),
  )

test('windows add up to what was recorded, and those of a target follow each other without a gap', () => {
  const step = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('probe' as const),
        target: fc.nat(79),
        rtt: fc.option(fc.double({ min: 1e-6, max: 2, noNaN: true })),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('early' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('all' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { windows } = make()
      const slots = Array.from({ length: 80 }, (_, index) => windows.add(1000 + index, 0))
      const closed: ReturnType<typeof flat> = []
      const sent = new Map<number, (number | undefined)[]>()
      let now = 0
      for (const event of steps) {
        now += 0.5
        if (event.kind === 'probe') {
          const rtt = event.rtt ?? undefined
          windows.record(slots[event.target]!, rtt, '', now)
          sent.set(1000 + event.target, [...(sent.get(1000 + event.target) ?? []), rtt])
        } else closed.push(...flat(event.kind === 'early' ? windows.closeEarly(now) : windows.closeAll(now)))
      }
      closed.push(...flat(windows.closeAll(now)))
      for (const [target, probes] of sent) {
        const own = closed.filter(({ targetId }) => targetId === target)
        const answers = probes.filter((rtt) => rtt !== undefined)
        const sum = (pick: (window: (typeof own)[number]) => number) =>
          own.reduce((total, one) => total + pick(one), 0)
        expect(sum((one) => one.sentCount)).toBe(probes.length)
        expect(sum((one) => one.receivedCount)).toBe(answers.length)
        const rttSum = answers.reduce((total, rtt) => total + rtt, 0)
        // Each window rounds its sum to a nanosecond.
        expect(Math.abs(sum((one) => fromDuration(one.rttSum) ?? 0) - rttSum)).toBeLessThan(
          own.length * 0.6e-9,
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

test('windows of healthy targets close together; a loss, and the answer after it, close one early', () => {
  const { windows, requests } = make()
  const [healthy, lossy] = [windows.add(1, 100), windows.add(2, 100)]
  windows.record(healthy, 0.001, '', 101)
  windows.record(lossy, 0.001, '', 101)
  expect(requests()).toBe(0)
  windows.record(lossy, undefined, 'no route', 102)
  expect(requests()).toBe(1)
  const [early] = flat(windows.closeEarly(102.25))
  expect(early).toMatchObject({
    targetId: 2,
    sentCount: 2,
    receivedCount: 1,
    trailingLostCount: 1,
    reason: 'no route',
    start: 100,
    end: 102.25,
  })
  windows.record(lossy, 0.002, '', 103)
  expect(flat(windows.closeEarly(103.25))).toMatchObject([
    { targetId: 2, trailingLostCount: 0, start: 102.25, reason: '' },
  ])
  windows.record(lossy, 0.002, '', 104)
  expect(windows.closeEarly(104.5)).toEqual([])
  expect(flat(windows.closeAll(110)).map(({ targetId, start, end }) => [targetId, start, end])).toEqual([
    [1, 100, 110],
    [2, 103.25, 110],
  ])
})

test('a target with losses for over a minute closes early only after a long loss and after its end', () => {
  const { windows } = make()
  const slot = windows.add(1, 0)
  let early = 0
  for (let now = 1; now <= 120; now++) {
    windows.record(slot, undefined, '', now)
    early += windows.closeEarly(now).length
    if (now % WINDOW === 0) windows.closeAll(now)
  }
  expect(early).toBe(60)
  windows.record(slot, 0.001, '', 121)
  expect(windows.closeEarly(121)).toHaveLength(1)
  windows.record(slot, undefined, '', 122)
  expect(windows.closeEarly(122)).toHaveLength(0)
  windows.record(slot, undefined, '', 123)
  expect(windows.closeEarly(123)).toHaveLength(1)
  // After a whole window without a loss, the next loss closes a window early again.
  for (let now = 124; now <= 150; now++) {
    windows.record(slot, 0.001, '', now)
    if (now % WINDOW === 0) windows.closeAll(now)
  }
  windows.closeEarly(150)
  windows.record(slot, undefined, '', 151)
  expect(windows.closeEarly(151)).toHaveLength(1)
})

test('a nearly full window requests to be closed, and a full one counts no further probes', () => {
  const { windows, requests } = make()
  const slot = windows.add(1, 0)
  for (let probe = 0; probe < 150; probe++) windows.record(slot, 0.001, '', probe / 100)
  expect(requests()).toBe(1)
  expect(flat(windows.closeEarly(2))).toMatchObject([{ sentCount: 100, receivedCount: 100 }])
})

test('a window that is nearly full closes before a probe is left out', () => {
  const { windows, requests } = make()
  const slot = windows.add(1, 0)
  let sent = 0
  for (let probe = 0; probe < 1000; probe++) {
    const before = requests()
    windows.record(slot, 0.001, '', probe / 100)
    // The window closes 0.1 s after its request.
    if (requests() === before && probe % 10 === 9)
      for (const { sentCount } of flat(windows.closeEarly(probe / 100))) sent += sentCount
  }
  for (const { sentCount } of flat(windows.closeAll(10))) sent += sentCount
  expect(sent).toBe(1000)
})

test('windows keep their content when more space is reserved', () => {
  const { windows, requests } = make()
  const slots = Array.from({ length: 70 }, (_, index) => windows.add(index, 0))
  for (const slot of slots) for (let probe = 0; probe < 50; probe++) windows.record(slot, slot + 1, '', 1)
  windows.reserve(300)
  windows.reserve(200)
  for (const slot of slots) for (let probe = 0; probe < 200; probe++) windows.record(slot, slot + 1, '', 2)
  expect(requests()).toBe(0)
  const closed = flat(windows.closeAll(10))
  expect(closed).toHaveLength(70)
  for (const { targetId, receivedCount, rttSum, histogramCounts } of closed) {
    expect(receivedCount).toBe(250)
    expect(fromDuration(rttSum)).toBe(250 * (targetId + 1))
    expect(histogramCounts).toEqual([250])
  }
})

test('a slot that was freed starts empty', () => {
  const { windows } = make()
  const first = windows.add(1, 0)
  windows.record(first, undefined, 'gone', 1)
  expect(flat(windows.remove([first], 2))).toMatchObject([{ targetId: 1, end: 2 }])
  const second = windows.add(2, 3)
  expect(second).toBe(first)
  windows.record(second, 0.001, '', 4)
  expect(flat(windows.closeAll(5))).toMatchObject([
    { targetId: 2, start: 3, sentCount: 1, trailingLostCount: 0, reason: '', jitter: undefined },
  ])
})

test('windows of a target that is probed often close early at most every 0.5 s, and losses wait no longer', () => {
  const INTERVAL = 0.05
  const { windows, requests } = make()
  const slot = windows.add(1, 0)
  const reports: { at: number; trailing: number; lost: number }[] = []
  let lost = 0
  for (let step = 1; step <= 80; step++) {
    const now = step * INTERVAL
    // A third of the probes of the first 2 s are lost, then all.
    const isLost = now > 2 || step % 3 === 0
    windows.record(slot, isLost ? undefined : 0.001, '', now)
    lost += isLost ? 1 : 0
    const before = requests()
    for (const { trailingLostCount, sentCount, receivedCount } of flat(windows.closeEarly(now)))
      reports.push({ at: now, trailing: trailingLostCount, lost: sentCount - receivedCount })
    const sum = reports.reduce((all, each) => all + each.lost, 0)
    // Losses that wait request the next call.
    if (sum < lost) expect(requests()).toBeGreaterThan(before)
    expect(now - (reports.at(-1)?.at ?? now)).toBeLessThan(0.55)
  }
  const gaps = reports.slice(1).map(({ at }, index) => at - reports[index]!.at)
  expect(Math.min(...gaps)).toBeGreaterThan(0.49)
  // A loss that is long enough to mean a cut path is reported soon.
  expect(reports.find(({ trailing }) => trailing >= 18)!.at).toBeLessThan(3.5)
})

test('a short time without results belongs to the next window; a whole window without results is a gap', () => {
  const { windows } = make()
  const slot = windows.add(7, 0)
  windows.record(slot, 0.001, '', 1)
  expect(flat(windows.closeAll(8))).toMatchObject([{ start: 0, end: 8 }])
  // The engine withheld results that it was not sure of.
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
  told.push(...flat(windows.closeEarly(9.9998)))
  windows.record(slot, undefined, '', 10)
  // The end of the window in its rhythm comes right after the news.
  told.push(...flat(windows.closeAll(10.0001)))
  windows.record(slot, undefined, '', 10.5)
  told.push(...flat(windows.closeEarly(10.5)))
  windows.record(slot, undefined, '', 10.501)
  told.push(...flat(windows.closeAll(10.502, true)))
  const starts = told.map(({ start }) => Math.floor(start * 1000))
  expect(new Set(starts).size).toBe(starts.length)
  expect(told.reduce((sum, { sentCount }) => sum + sentCount, 0)).toBe(4)
})

test('an answer without a usable time ends a loss, and is not counted', () => {
  const { windows } = make()
  const slot = windows.add(7, 0)
  windows.record(slot, 0.001, '', 1)
  windows.record(slot, undefined, '', 2)
  windows.record(slot, UNUSABLE_RTT, '', 3)
  windows.record(slot, undefined, '', 4)
  expect(flat(windows.closeAll(WINDOW))).toMatchObject([
    { sentCount: 3, receivedCount: 1, trailingLostCount: 1, histogramCounts: [1] },
  ])
})
