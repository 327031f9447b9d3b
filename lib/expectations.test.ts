import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EXPECTATION_NAMES, formatExpected, parseLimit, unknownExpectation } from './expectations.ts'

describe('a limit', () => {
  test.each([
    ['throughput_min', '9.4G', 9.4e9],
    ['tcp_throughput_min', 9500, 9.5e9],
    ['mean_latency_max', 100, 100e-6],
    ['p99_latency_max', '50us', 50e-6],
    ['packet_loss_max', '0.1%', 0.001],
    ['packet_loss_max', 0.1, 0.1],
    ['cpu_util_max', 70, 0.7],
    ['cv_max', '10%', 0.1],
    ['transaction_rate_min', 10000, 10000],
    ['transaction_rate_min', '12.5k/s', 12500],
  ] as const)('%s: %s', (name, value, limit) => {
    expect(parseLimit(name, value)).toEqual({ limit: expect.closeTo(limit, 12) })
  })

  test.each([
    ['throughput_min', '50us', '"50us" is a time, and throughput_min is a bitrate: write 9.4G or 500M'],
    ['jitter_max', '1G', '"1G" is a bitrate, and jitter_max is a time: write 50us, 2ms or 1s'],
    ['packet_loss_max', '1ms', '"1ms" is a time, and packet_loss_max is a ratio: write 0.1%'],
    [
      'transaction_rate_min',
      '5%',
      '"5%" is a ratio, and transaction_rate_min is a rate: write 10000/s or 10k/s',
    ],
    ['p99_latency_max', '50', '"50" has no unit; p99_latency_max is a time: write 50us, 2ms or 1s'],
    ['mean_latency_max', 'fast', '"fast" is not a time: write 50us, 2ms or 1s'],
    ['packet_loss_max', 10, '10 is over 100 %, the maximum: write 0.1%'],
    ['throughput_min', -1, '-1 is not a limit: write 9.4G or 500M'],
    ['cv_max', Number.NaN, 'NaN is not a limit: write 0.1%'],
  ] as const)('%s: %s is refused with the right unit', (name, value, problem) => {
    expect(parseLimit(name, value)).toEqual({ problem })
  })

  test('any text is either a correct limit or a problem', () => {
    const names = fc.constantFrom(...EXPECTATION_NAMES)
    fc.assert(
      fc.property(names, fc.oneof(fc.string(), fc.double()), (name, value) => {
        const read = parseLimit(name, value)
        if ('problem' in read) expect(read.problem).not.toBe('')
        else expect(read.limit).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

test('an unknown name gets a suggestion', () => {
  expect(unknownExpectation('p99_latency')).toBe(
    '"p99_latency" is no expectation; did you mean p99_latency_max?',
  )
  expect(unknownExpectation('beauty')).toMatch(/^"beauty" is no expectation; there are throughput_min, /)
})

test.each([
  ['throughput_min', 9.4e9, '9.40 Gbit/s'],
  ['p99_latency_max', 50e-6, '50 µs'],
  ['p99_latency_max', 0.0123, '12.3 ms'],
  ['p99_latency_max', 2, '2 s'],
  ['packet_loss_max', 0.001, '0.10 %'],
  ['transaction_rate_min', 12345.6, '12,346/s'],
])('%s of %d is formatted as %s', (name, value, text) => {
  expect(formatExpected(name, value)).toBe(text)
})
