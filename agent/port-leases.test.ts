import { expect, test } from 'vitest'
import { createPortLeases } from './admission.ts'

const ANY = { first: 1, last: 65535 }

test('ports go round, and a retry gets another one', () => {
  const leases = createPortLeases({ first: 10, last: 12 })
  expect([leases.lease(ANY), leases.lease(ANY)]).toEqual([10, 11])
  leases.release(10)
  expect([leases.lease(ANY), leases.lease(ANY)]).toEqual([12, 10])
  expect(() => leases.lease(ANY)).toThrow('no free port in 10-12: 3 leased, 0 taken by other programs')
})

test('consecutive ports never cross the end of the range, a lease or an occupied port', () => {
  const leases = createPortLeases({ first: 10, last: 16 })
  expect(leases.lease(ANY, new Set(), 2)).toBe(10)
  expect(leases.lease(ANY)).toBe(12)
  expect(leases.lease(ANY, new Set([14]), 2)).toBe(15)
  expect(() => leases.lease(ANY, new Set(), 3)).toThrow('no free 3 consecutive ports in 10-16')
  leases.release(10, 2)
  expect(leases.lease(ANY, new Set(), 2)).toBe(10)
  expect(leases.lease(ANY, new Set(), 2)).toBe(13)
})

test('a row does not hang over the end of the range', () => {
  const leases = createPortLeases({ first: 10, last: 12 })
  expect(leases.lease(ANY, new Set(), 2)).toBe(10)
  expect(() => leases.lease(ANY, new Set(), 2)).toThrow('no free 2 consecutive ports in 10-12')
})
