import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createId, createTimedId } from './ids.ts'

const fromSeed = (count: number) => new Uint8Array(count).fill(7)

test('ids come from the given random bytes', () => {
  expect(createId(fromSeed)).toBe('07070707-0707-4707-8707-070707070707')
  expect(createId(randomBytes)).not.toBe(createId(randomBytes))
})

test('ids with a time are sorted by it, and differ within a millisecond', () => {
  const ids = [1, 2, 1_767_225_600_000].map((ms) => createTimedId(randomBytes, new Date(ms)))
  expect([...ids].sort()).toEqual(ids)
  const now = new Date(1_767_225_600_000)
  expect(createTimedId(fromSeed, now)).toBe(createTimedId(fromSeed, now))
  expect(createTimedId(randomBytes, now)).not.toBe(createTimedId(randomBytes, now))
})
