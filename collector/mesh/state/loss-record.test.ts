import { expect, test } from 'vitest'
import { wilsonInterval } from '../../../lib/statistics.ts'
import { createRandom } from '../../topology/random.ts'
import { createLossRecord } from './loss-record.ts'

const TIMEOUT_MS = 500
const EARLY_CLOSE_MS = 500
const WINDOW_MS = 10_000

/**
 * Simulates the paths of one interface as an agent reports them: a window closes after a loss and after the next answer,
 * at most twice a second, else every 10 s. The loss begins at `faultMs`.
 */
const lossAfter = (
  random: () => number,
  options: { paths: number; intervalSeconds: number; ratio: number; faultMs: number; nowMs: number },
) => {
  const { paths: count, intervalSeconds, ratio, faultMs, nowMs } = options
  const record = createLossRecord()
  const paths = Array.from({ length: count }, (_, id) => ({ id, intervalSeconds, health: { firstMs: 1 } }))
  for (const { id } of paths) {
    const events: { atMs: number; isLost: boolean }[] = []
    for (let sentMs = random() * intervalSeconds * 1000; sentMs < nowMs; sentMs += intervalSeconds * 1000) {
      const isLost = sentMs >= faultMs && random() < ratio
      events.push({ atMs: sentMs + (isLost ? TIMEOUT_MS : 1), isLost })
    }
    events.sort((one, other) => one.atMs - other.atMs)
    let window = { startMs: 0, endMs: 0, sentCount: 0, lostCount: 0 }
    let [earlyMs, isRequested, wasLost, nextMs] = [-Infinity, false, false, random() * WINDOW_MS]
    for (const { atMs, isLost } of events) {
      if (atMs > nowMs) break
      window.sentCount++
      if (isLost) window.lostCount++
      isRequested ||= isLost || wasLost
      wasLost = isLost
      const isEarly = isRequested && atMs - earlyMs >= EARLY_CLOSE_MS
      if (!isEarly && atMs < nextMs) continue
      if (isEarly) earlyMs = atMs
      while (nextMs <= atMs) nextMs += WINDOW_MS
      isRequested = false
      record.add(id, { ...window, endMs: atMs })
      window = { startMs: atMs, endMs: 0, sentCount: 0, lostCount: 0 }
    }
  }
  return record.since('n2 on net0', paths, nowMs)
}

test('the true loss is inside the 95 % interval in at least 93 % of 300 random faults, 5 to 10 s after they began', () => {
  const random = createRandom(1)
  let inside = 0
  for (let trial = 0; trial < 300; trial++) {
    const peers = 3 + Math.floor(random() * 20)
    const intervalSeconds = [1, 0.5, 0.2, 0.1, 0.05].find((seconds) => peers / seconds >= 60) ?? 0.05
    const ratio = 0.02 + 0.6 * random()
    const faultMs = 30_000 + 60_000 * random()
    const nowMs = faultMs + 5_000 + 5_000 * random()
    const found = lossAfter(random, { paths: 2 * peers, intervalSeconds, ratio, faultMs, nowMs })!
    const [low, high] = wilsonInterval(found.lostCount, found.sentCount)
    if (low <= ratio && ratio <= high) inside++
    expect(Math.abs(found.sinceMs - faultMs)).toBeLessThan(5_000)
  }
  expect(inside / 300).toBeGreaterThanOrEqual(0.93)
})

test('20 % reads as 20 % eight seconds after it began, not as its mean over a minute', () => {
  const found = lossAfter(createRandom(2), {
    ...{ paths: 14, intervalSeconds: 0.1, ratio: 0.2 },
    ...{ faultMs: 60_000, nowMs: 68_000 },
  })!
  expect(found.lostCount / found.sentCount).toBeCloseTo(0.2, 1)
  expect(found.sinceMs).toBeGreaterThanOrEqual(60_000)
  expect(found.sinceMs).toBeLessThan(61_500)
})

test('steady loss is counted over the last minute; the beginning of an older fault is remembered', () => {
  const record = createLossRecord()
  const paths = [{ id: 1, intervalSeconds: 1, health: { firstMs: 1 } }]
  for (let second = 100; second < 300; second++) {
    const window = { startMs: second * 1000, endMs: (second + 1) * 1000, sentCount: 10, lostCount: 2 }
    record.add(1, window)
    record.deleteOld(window.endMs)
    const found = record.since('n1 to n2', paths, window.endMs)!
    if (second < 110) continue
    expect(found.sinceMs).toBe(101_000)
    expect(found.lostCount / found.sentCount).toBeCloseTo(0.2, 1)
    expect(found.toMs - found.fromMs).toBeLessThanOrEqual(60_000)
  }
})

test('paths without loss have no figure', () => {
  const record = createLossRecord()
  record.add(1, { startMs: 0, endMs: 1000, sentCount: 10, lostCount: 0 })
  expect(record.since('n1', [{ id: 1, intervalSeconds: 0.1, health: { firstMs: 1 } }], 2000)).toBeUndefined()
})
