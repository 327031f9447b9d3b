import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coverageFiguresOf } from './coverage-figures.ts'
import { PAIR_ABSENT, pickDuePairs } from './due-pairs.ts'

const DAY = 86_400
const NOW = 20_000 * DAY
const yieldIfDue = async () => undefined
const nights = (now: number, count: number) =>
  Array.from({ length: count }, (_, index) => now + (index + 1) * DAY)
const options = (now: number, since = NOW) => ({
  now,
  within: 7 * DAY,
  slack: 3600,
  laterStarts: nights(now, 7),
  since,
  all: false,
  yieldIfDue,
})

describe('pickDuePairs', () => {
  test('measures a new fleet in equal parts, and no pair is overdue after the first period', async () => {
    const lastTimes = new Uint32Array(700)
    const shares: number[] = []
    for (let night = 0; night < 28; night++) {
      const now = NOW + night * DAY
      const due = await pickDuePairs(lastTimes, options(now))
      shares.push(due.length)
      // A run takes an hour.
      for (const pair of due) lastTimes[pair] = now + 3600
      if (night >= 6) {
        const { overdueCount } = await coverageFiguresOf(lastTimes, {
          now: now + 3600,
          within: 7 * DAY,
          yieldIfDue,
        })
        expect(overdueCount).toBe(0)
      }
    }
    expect(shares).toEqual(Array(28).fill(100))
  })

  test('spreads pairs that were measured in the same night over the nights before their deadline', async () => {
    const lastTimes = new Uint32Array(700).fill(NOW)
    const shares: number[] = []
    for (let night = 1; night < 15; night++) {
      const now = NOW + night * DAY
      const due = await pickDuePairs(lastTimes, options(now))
      shares.push(due.length)
      for (const pair of due) lastTimes[pair] = now + 3600
      expect(
        (await coverageFiguresOf(lastTimes, { now: now + 3600, within: 7 * DAY + 3600, yieldIfDue }))
          .overdueCount,
      ).toBe(0)
    }
    expect(Math.max(...shares)).toBeLessThanOrEqual(250)
    expect(shares.slice(0, 3)).toEqual([0, 0, 0])
  })

  test('returns pairs that were never measured first, then the most overdue', async () => {
    const lastTimes = Uint32Array.from([
      NOW - 8 * DAY,
      NOW - 30 * DAY,
      0,
      NOW - 9 * DAY,
      NOW - 60,
      PAIR_ABSENT,
    ])
    expect([
      ...(await pickDuePairs(lastTimes, { ...options(NOW, NOW - 60 * DAY), laterStarts: [] })),
    ]).toEqual([2, 1, 3, 0])
  })

  test('with `all`, returns all overdue pairs, or the oldest pairs when none is overdue', async () => {
    const lastTimes = new Uint32Array(70)
    expect(await pickDuePairs(lastTimes, options(NOW))).toHaveLength(10)
    expect(await pickDuePairs(lastTimes, { ...options(NOW), all: true })).toHaveLength(70)

    const fresh = Uint32Array.from({ length: 80 }, (_, pair) => NOW - 8000 + 100 * pair)
    expect(await pickDuePairs(fresh, options(NOW))).toHaveLength(0)
    expect([...(await pickDuePairs(fresh, { ...options(NOW), all: true }))].slice(0, 3)).toEqual([0, 1, 2])
  })

  test('returns each pair once, and all pairs with a deadline before the next start', async () => {
    const ages = fc.array(fc.integer({ min: 0, max: 20 * DAY }), { minLength: 1, maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(ages, fc.integer({ min: 0, max: 60 }), async (list, never) => {
        const lastTimes = Uint32Array.from(list, (age, index) => (index < never ? 0 : NOW - age))
        const due = [...(await pickDuePairs(lastTimes, options(NOW, NOW - 30 * DAY)))]
        expect(new Set(due).size).toBe(due.length)
        for (const [pair, last] of lastTimes.entries())
          if (last < NOW + DAY - 7 * DAY) expect(due).toContain(pair)
        for (const pair of due) expect(lastTimes[pair]).toBeLessThanOrEqual(NOW - 3.5 * DAY)
      }),
    )
  })

  test('yields while it processes a million pairs', async () => {
    let yieldCount = 0
    const lastTimes = new Uint32Array(999_000)
    const counting = async () => {
      yieldCount++
    }
    const due = await pickDuePairs(lastTimes, { ...options(NOW), yieldIfDue: counting })
    expect(due).toHaveLength(Math.ceil(999_000 / 7))
    expect(yieldCount).toBeGreaterThan(90)
  })
})

test('coverage figures leave out pairs that do not exist', async () => {
  const lastTimes = Uint32Array.from([0, NOW - 8 * DAY, NOW - DAY, PAIR_ABSENT])
  expect(await coverageFiguresOf(lastTimes, { now: NOW, within: 7 * DAY, yieldIfDue })).toEqual({
    pairCount: 3,
    coveredCount: 1,
    overdueCount: 2,
    neverCount: 1,
    oldestSeconds: NOW - 8 * DAY,
  })
})
