import { expect, test } from 'vitest'
import { shortenIds } from './short-ids.ts'

test('ids are shortened to their time stamp, or further where that is the same', () => {
  const [a, b] = ['0198c2f0-1111-7abc-8def-0123456789ab', '0198c2f0-1112-7abc-8def-0123456789ab']
  expect([a, b].map(shortenIds([a, b]))).toEqual(['0198c2f0-1111', '0198c2f0-1112'])
  const sameMillisecond = '0198c2f0-1111-7abd-8def-0123456789ab'
  const shorten = shortenIds([a, b, sameMillisecond])
  expect([a, sameMillisecond].map(shorten)).toEqual(['0198c2f0-1111-7abc', '0198c2f0-1111-7abd'])
})
