import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CulpritKind, FaultDirection, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { directionOf, withDirection } from './echo-balance.ts'

describe('which way probes are lost', () => {
  test('lost requests are rx, lost answers are tx, whatever the other interfaces send', () => {
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

  test('counts that are off by less than they are uncertain never turn the way around', () => {
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

  test('both ways only where counts that are off by twice what they are uncertain leave no other', () => {
    // Seen with 1 % lost one way only: the kernel was read a moment later than was thought.
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

  test('nothing lost, a little lost, and a counter that was reset tell nothing', () => {
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

describe('a verdict', () => {
  const balance = { sentCount: 120, lostCount: 60, receivedCount: 119, uncertainCount: 3 }
  const evidence = { to: balance, from: undefined, lossRatio: 1 }
  const verdict = Verdict.fromPartial({
    kind: CulpritKind.CULPRIT_KIND_INTERFACE,
    node: 'n3',
    interface: 'net1',
    direction: FaultDirection.FAULT_DIRECTION_BOTH,
    message: 'n3 cannot be reached on net1: 6 of 6 pairs fail.',
  })

  test('gets its direction and says why', () => {
    expect(withDirection(verdict, evidence)).toMatchObject({
      direction: FaultDirection.FAULT_DIRECTION_TX,
      message: `${verdict.message} Of 120 probes sent to it 60 had no answer, and its kernel received 119: what it sends gets lost.`,
    })
  })

  test('stays as it is without counts, when it has a direction, and when it is of a link', () => {
    const sure = { ...verdict, direction: FaultDirection.FAULT_DIRECTION_RX }
    const link = { ...verdict, kind: CulpritKind.CULPRIT_KIND_LINK }
    expect(withDirection(verdict, undefined)).toBe(verdict)
    expect(withDirection(sure, evidence)).toBe(sure)
    expect(withDirection(link, evidence)).toBe(link)
  })

  test('few probes that are lost one way by chance are no direction', () => {
    const named = (lostCount: number, receivedCount: number) =>
      withDirection(verdict, {
        to: { sentCount: 445, lostCount, receivedCount, uncertainCount: 4 },
        from: undefined,
        lossRatio: 0.06,
      }).direction
    expect(named(18, 441)).toBe(FaultDirection.FAULT_DIRECTION_BOTH)
    expect(named(40, 436)).toBe(FaultDirection.FAULT_DIRECTION_BOTH)
    expect(named(60, 443)).toBe(FaultDirection.FAULT_DIRECTION_TX)
  })

  test('where no request arrives, only its own probes tell whether it is cut off both ways', () => {
    const to = { sentCount: 120, lostCount: 60, receivedCount: 61, uncertainCount: 3 }
    const arrived = { sentCount: 600, lostCount: 60, receivedCount: 600, uncertainCount: 6 }
    const missing = { ...arrived, receivedCount: 541 }
    const named = (from: typeof arrived | undefined, lossRatio: number) =>
      withDirection(verdict, { to, from, lossRatio })
    expect(named(undefined, 1)).toBe(verdict)
    expect(named(undefined, 0.3).direction).toBe(FaultDirection.FAULT_DIRECTION_RX)
    expect(named(arrived, 1).direction).toBe(FaultDirection.FAULT_DIRECTION_RX)
    expect(named(missing, 1)).toBe(verdict)
  })
})
