import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstDue, nextDue, phaseOf } from './check-times.ts'

const every = fc.oneof(fc.integer({ min: 1, max: 30 * 86_400 }), fc.double({ min: 1, max: 1e6, noNaN: true }))
const now = fc.double({ min: 1.6e9, max: 2e9, noNaN: true })
const phase = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('nextDue', () => {
  test('is after now, by at most one interval', () => {
    fc.assert(
      fc.property(now, every, phase, (at, interval, share) => {
        const due = nextDue(at, interval, share)
        expect(due).toBeGreaterThan(at)
        expect(due - at).toBeLessThanOrEqual(interval * 1.0001)
      }),
    )
  })

  test('keeps its position: the next time is one interval later', () => {
    fc.assert(
      fc.property(now, every, phase, (at, interval, share) => {
        const due = nextDue(at, interval, share)
        expect((nextDue(due + interval / 2, interval, share) - due) / interval).toBeCloseTo(1, 5)
      }),
    )
  })
})

describe('firstDue', () => {
  test('is the usual position of a check that ran within its interval', () => {
    expect(firstDue(1000, 600, 0.5, 900)).toBe(nextDue(1000, 600, 0.5))
  })

  test.each([
    ['never', undefined],
    ['more than one interval ago', 100],
    ['in the future, by a clock that was wrong', 5000],
  ])('is within a minute for a check that last ran %s', (_name, last) => {
    expect(firstDue(1000, 600, 0.5, last)).toBe(1030)
    expect(firstDue(1000, 10, 0.5, last)).toBe(1005)
  })
})

test('the checks of a fleet are spread: no tenth of an interval has more than twice its share', () => {
  const nodes = Array.from({ length: 2000 }, (_, index) => `gpu-${index}`)
  const tenths = new Array<number>(10).fill(0)
  for (const node of nodes) tenths[Math.floor(phaseOf(node, 'interfaces') * 10)]!++
  expect(Math.max(...tenths)).toBeLessThan(400)
  expect(Math.min(...tenths)).toBeGreaterThan(100)
  expect(phaseOf('gpu-1', 'interfaces')).toBe(phaseOf('gpu-1', 'interfaces'))
  expect(phaseOf('gpu-1', 'interfaces')).not.toBe(phaseOf('gpu-1', 'dcgm'))
})
