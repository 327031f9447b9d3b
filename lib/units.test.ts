import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBitrate, parseDuration, parseRatio } from './units.ts'

describe('durations', () => {
  test.each([
    ['50us', 50e-6],
    ['50µs', 50e-6],
    ['900ns', 900e-9],
    ['1ms500us', 0.0015],
    ['1.5ms', 0.0015],
    ['1h30m', 5400],
    ['2m', 120],
    ['2s', 2],
    ['1d', 86400],
  ])('%s', (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 12)
  })

  test.each(['50', '', 'us', '50 us', '50U', '-5us', '5usec', '5uss', '5n', '1e3s'])(
    '"%s" is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )

  test('units are added, in any combination', () => {
    const units = { d: 86400, h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 }
    const amounts = fc.dictionary(fc.constantFrom(...Object.keys(units)), fc.nat(999), { minKeys: 1 })
    fc.assert(
      fc.property(amounts, (amount) => {
        const text = Object.entries(amount).map(([unit, value]) => `${value}${unit}`)
        const seconds = Object.entries(amount).reduce(
          (sum, [unit, value]) => sum + value * units[unit as keyof typeof units],
          0,
        )
        expect(parseDuration(text.join(''))).toBeCloseTo(seconds, 6)
      }),
    )
  })
})

test.each([
  ['0.1%', 0.001],
  ['10 %', 0.1],
  ['0%', 0],
  ['250%', 2.5],
  ['0.1', undefined],
  ['%', undefined],
  ['-1%', undefined],
])('a ratio: %s', (text, ratio) => {
  expect(parseRatio(text)).toEqual(ratio)
})

test.each([
  ['9.4G', 9.4e9],
  ['50mbit', 50e6],
  ['9.4 Gbit/s', 9.4e9],
  ['50us', undefined],
  ['1%', undefined],
])('a bitrate: %s', (text, rate) => {
  expect(parseBitrate(text)).toEqual(rate)
})
