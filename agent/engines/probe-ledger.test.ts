import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createProbeLedger, slackOf } from './probe-ledger.ts'

const create = (slack = 2) => createProbeLedger({ targetIndex: 7, slack, missingReason: 'not sent' })

test('each probe counts once, in any order of the reports', () => {
  const report = fc.record({
    sequence: fc.nat({ max: 30 }),
    kind: fc.constantFrom('answered', 'lost', 'reached'),
  })
  fc.assert(
    fc.property(fc.array(report, { maxLength: 100 }), fc.integer({ min: 1, max: 5 }), (all, slack) => {
      const ledger = create(slack)
      const probes = all.flatMap(({ sequence, kind }) => {
        if (kind === 'answered') return ledger.answered(sequence, 0.001)
        return kind === 'lost' ? ledger.lost(sequence) : ledger.reached(sequence)
      })
      expect(probes.concat(ledger.finish(31))).toHaveLength(31)
      expect(ledger.settledCount()).toBe(31)
      expect(ledger.finish(31)).toEqual([])
    }),
  )
})

test('an unreported probe is lost once enough later ones are reported', () => {
  const ledger = create(2)
  expect(ledger.reached(2)).toEqual([])
  expect(ledger.reached(3)).toEqual([
    { targetIndex: 7, rttSeconds: undefined, refused: false, reason: 'not sent' },
  ])
  // Its answer arrives too late to count.
  expect(ledger.answered(0, 0.001)).toEqual([])
})

test('a network error is the reason of the next loss only', () => {
  const ledger = create()
  ledger.setNetworkError('prohibited')
  expect(ledger.lost(0)).toMatchObject([{ reason: 'prohibited' }])
  expect(ledger.lost(1)).toMatchObject([{ reason: '' }])
  ledger.setNetworkError('prohibited')
  expect(ledger.answered(2, 0.001)).toMatchObject([{ reason: '' }])
  expect(ledger.lost(3)).toMatchObject([{ reason: '' }])
})

test('slack grows with the number of probes that a timeout covers', () => {
  expect(slackOf(1, 1)).toBe(3)
  expect(slackOf(0.35, 0.1)).toBe(6)
})
