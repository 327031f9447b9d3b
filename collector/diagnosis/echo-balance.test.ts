import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { directionOf, withDirection } from './echo-balance.ts'
import { createVerdict } from './verdict.ts'

describe('directionOf', () => {
  test('lost requests are rx and lost answers are tx, independent of other interfaces', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.constantFrom('rx' as const, 'tx' as const),
        (fineCount, lostCount, way) => {
          const sentCount = fineCount + lostCount
          const receivedCount = way === 'rx' ? fineCount : sentCount
          expect(directionOf({ sentCount, lostCount, receivedCount, uncertainCount: 0 })).toBe(way)
        },
      ),
    )
  })

  test('errors below the uncertainty never reverse the direction', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 0, max: 50 }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        fc.constantFrom('rx' as const, 'tx' as const),
        (fineCount, lostCount, uncertainCount, off, way) => {
          const sentCount = fineCount + lostCount
          const receivedCount = (way === 'rx' ? fineCount : sentCount) + Math.round(off * uncertainCount)
          const found = directionOf({ sentCount, lostCount, receivedCount, uncertainCount })
          expect([way, undefined]).toContain(found)
        },
      ),
    )
  })

  test('both directions need evidence that errors of twice the uncertainty do not change', () => {
    // Observed with 1 % loss in one direction: the kernel counter was read slightly late.
    const seen = { sentCount: 5653, lostCount: 20, receivedCount: 5639, uncertainCount: 1 + Math.sqrt(10) }
    expect(directionOf(seen)).toBeUndefined()
    expect(directionOf({ ...seen, lostCount: 80, receivedCount: 5613 })).toBe('both')
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 50 }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.constantFrom('rx' as const, 'tx' as const),
        (lostCount, uncertainCount, off, way) => {
          const receivedCount = (way === 'rx' ? 5000 - lostCount : 5000) + Math.trunc(off * uncertainCount)
          const found = directionOf({ sentCount: 5000, lostCount, receivedCount, uncertainCount })
          expect(found).not.toBe('both')
        },
      ),
    )
  })

  test('no loss, little loss and a reset counter have no direction', () => {
    expect(directionOf({ sentCount: 100, lostCount: 0, receivedCount: 100, uncertainCount: 0 })).toBe(
      undefined,
    )
    expect(directionOf({ sentCount: 100, lostCount: 7, receivedCount: 93, uncertainCount: 2 })).toBe(
      undefined,
    )
    expect(directionOf({ sentCount: 100, lostCount: 50, receivedCount: 3, uncertainCount: 2 })).toBe(
      undefined,
    )
    expect(directionOf({ sentCount: 100, lostCount: 50, receivedCount: 900, uncertainCount: 2 })).toBe(
      undefined,
    )
  })
})

describe('withDirection', () => {
  const balance = { sentCount: 120, lostCount: 60, receivedCount: 119, uncertainCount: 3 }
  const evidence = { to: balance, from: undefined, lossRatio: 1 }
  const verdict = createVerdict({
    kind: 'interface',
    node: 'n3',
    interface: 'net1',
    direction: 'both',
    message: 'n3 cannot be reached on net1: 6 of 6 pairs fail.',
  })

  test('adds the direction and the counts to a verdict', () => {
    expect(withDirection(verdict, evidence)).toMatchObject({
      direction: 'tx',
      message: `${verdict.message} Of 120 probes sent to it 60 had no answer, and its kernel received 119: what it sends gets lost.`,
    })
  })

  test('does not change a verdict without counts, with a direction, or about a link', () => {
    const sure = { ...verdict, direction: 'rx' as const }
    const link = { ...verdict, kind: 'link' as const }
    expect(withDirection(verdict, undefined)).toBe(verdict)
    expect(withDirection(sure, evidence)).toBe(sure)
    expect(withDirection(link, evidence)).toBe(link)
  })

  test('a few probes lost by chance in one direction do not determine a direction', () => {
    const named = (lostCount: number, receivedCount: number) =>
      withDirection(verdict, {
        to: { sentCount: 445, lostCount, receivedCount, uncertainCount: 4 },
        from: undefined,
        lossRatio: 0.06,
      }).direction
    expect(named(18, 441)).toBe('both')
    expect(named(40, 436)).toBe('both')
    expect(named(60, 443)).toBe('tx')
  })

  test('when no request arrives, only the probes of the node itself show the other direction', () => {
    const to = { sentCount: 120, lostCount: 60, receivedCount: 61, uncertainCount: 3 }
    const arrived = { sentCount: 600, lostCount: 60, receivedCount: 600, uncertainCount: 6 }
    const missing = { ...arrived, receivedCount: 541 }
    const named = (from: typeof arrived | undefined, lossRatio: number) =>
      withDirection(verdict, { to, from, lossRatio })
    expect(named(undefined, 1)).toBe(verdict)
    expect(named(undefined, 0.3).direction).toBe('rx')
    expect(named(arrived, 1).direction).toBe('rx')
    expect(named(missing, 1)).toBe(verdict)
  })
})
