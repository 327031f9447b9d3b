import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLedger, slackOf } from './ledger.ts'

const create = (slack = 2) => createLedger({ targetIndex: 7, slack, missingReason: 'not sent' })

test('each probe counts once, in whatever order a program tells of them', () => {
  const said = fc.record({
    sequence: fc.nat({ max: 30 }),
    kind: fc.constantFrom('answered', 'lost', 'heardOf'),
  })
  fc.assert(
    fc.property(fc.array(said, { maxLength: 100 }), fc.integer({ min: 1, max: 5 }), (all, slack) => {
      const ledger = create(slack)
      const probes = all.flatMap(({ sequence, kind }) => {
        if (kind === 'answered') return ledger.answered(sequence, 0.001)
        return kind === 'lost' ? ledger.lost(sequence) : ledger.heardOf(sequence)
      })
      expect(probes.concat(ledger.finish(31))).toHaveLength(31)
      expect(ledger.settledCount()).toBe(31)
      expect(ledger.finish(31)).toEqual([])
    }),
  )
})

test('a probe that nothing is said of is lost once later ones have been heard of', () => {
  const ledger = create(2)
  expect(ledger.heardOf(2)).toEqual([])
  expect(ledger.heardOf(3)).toEqual([
    { targetIndex: 7, rttSeconds: undefined, refused: false, reason: 'not sent' },
  ])
  // Its answer comes after all: too late to count.
  expect(ledger.answered(0, 0.001)).toEqual([])
})

test('what the network said explains the next loss, and only that', () => {
  const ledger = create()
  ledger.complain('prohibited')
  expect(ledger.lost(0)).toMatchObject([{ reason: 'prohibited' }])
  expect(ledger.lost(1)).toMatchObject([{ reason: '' }])
  ledger.complain('prohibited')
  expect(ledger.answered(2, 0.001)).toMatchObject([{ reason: '' }])
  expect(ledger.lost(3)).toMatchObject([{ reason: '' }])
})

test('slack grows with how many probes a timeout covers', () => {
  expect(slackOf(1, 1)).toBe(3)
  expect(slackOf(0.35, 0.1)).toBe(6)
})
