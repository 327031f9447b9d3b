import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coverageOf, NO_PAIR, pickDue } from './due.ts'

const DAY = 86_400
const NOW = 20_000 * DAY
const breathe = async () => undefined
const nights = (now: number, count: number) =>
  Array.from({ length: count }, (_, index) => now + (index + 1) * DAY)
const options = (now: number, since = NOW) => ({
  now,
  within: 7 * DAY,
  slack: 3600,
  starts: nights(now, 7),
  since,
  all: false,
  breathe,
})

describe('which pairs are due', () => {
  test('a new fleet is measured in equal parts, and nothing is overdue after the time', async () => {
    const lasts = new Uint32Array(700)
    const shares: number[] = []
    for (let night = 0; night < 28; night++) {
      const now = NOW + night * DAY
      const due = await pickDue(lasts, options(now))
      shares.push(due.length)
      // A run takes an hour.
      for (const pair of due) lasts[pair] = now + 3600
      if (night >= 6) {
        const { overdueCount } = await coverageOf(lasts, { now: now + 3600, within: 7 * DAY, breathe })
        expect(overdueCount).toBe(0)
      }
    }
    expect(shares).toEqual(Array(28).fill(100))
  })

  test('all measured in one night are spread over the nights before their time comes', async () => {
    const lasts = new Uint32Array(700).fill(NOW)
    const shares: number[] = []
    for (let night = 1; night < 15; night++) {
      const now = NOW + night * DAY
      const due = await pickDue(lasts, options(now))
      shares.push(due.length)
      for (const pair of due) lasts[pair] = now + 3600
      expect(
        (await coverageOf(lasts, { now: now + 3600, within: 7 * DAY + 3600, breathe })).overdueCount,
      ).toBe(0)
    }
    expect(Math.max(...shares)).toBeLessThanOrEqual(250)
    expect(shares.slice(0, 3)).toEqual([0, 0, 0])
  })

  test('the most overdue first, pairs that were never measured before all', async () => {
    const lasts = Uint32Array.from([NOW - 8 * DAY, NOW - 30 * DAY, 0, NOW - 9 * DAY, NOW - 60, NO_PAIR])
    expect([...(await pickDue(lasts, { ...options(NOW, NOW - 60 * DAY), starts: [] }))]).toEqual([2, 1, 3, 0])
  })

  test('with all, whatever is overdue at once, and not a share of it', async () => {
    const lasts = new Uint32Array(70)
    expect(await pickDue(lasts, options(NOW))).toHaveLength(10)
    expect(await pickDue(lasts, { ...options(NOW), all: true })).toHaveLength(70)
    // Someone asks, and nothing is due: then the oldest.
    const fresh = Uint32Array.from({ length: 80 }, (_, pair) => NOW - 8000 + 100 * pair)
    expect(await pickDue(fresh, options(NOW))).toHaveLength(0)
    expect([...(await pickDue(fresh, { ...options(NOW), all: true }))].slice(0, 3)).toEqual([0, 1, 2])
  })

  test('what must be measured before the next start is always taken, and nothing twice', async () => {
    const ages = fc.array(fc.integer({ min: 0, max: 20 * DAY }), { minLength: 1, maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(ages, fc.integer({ min: 0, max: 60 }), async (list, never) => {
        const lasts = Uint32Array.from(list, (age, index) => (index < never ? 0 : NOW - age))
        const due = [...(await pickDue(lasts, options(NOW, NOW - 30 * DAY)))]
        expect(new Set(due).size).toBe(due.length)
        for (const [pair, last] of lasts.entries())
          if (last < NOW + DAY - 7 * DAY) expect(due).toContain(pair)
        for (const pair of due) expect(lasts[pair]).toBeLessThanOrEqual(NOW - 3.5 * DAY)
      }),
    )
  })

  test('a million pairs are gone through in slices', async () => {
    let breaths = 0
    const lasts = new Uint32Array(999_000)
    const counting = async () => {
      breaths++
    }
    const due = await pickDue(lasts, { ...options(NOW), breathe: counting })
    expect(due).toHaveLength(Math.ceil(999_000 / 7))
    expect(breaths).toBeGreaterThan(90)
  })
})

test('coverage in figures', async () => {
  const lasts = Uint32Array.from([0, NOW - 8 * DAY, NOW - DAY, NO_PAIR])
  expect(await coverageOf(lasts, { now: NOW, within: 7 * DAY, breathe })).toEqual({
    pairCount: 3,
    coveredCount: 1,
    overdueCount: 2,
    neverCount: 1,
    oldestSeconds: NOW - 8 * DAY,
  })
})
