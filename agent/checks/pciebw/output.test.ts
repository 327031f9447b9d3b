import { describe, expect, test } from 'vitest'
import { recording } from '../testing/machine.ts'
import { parseBandwidthTest, parseNvbandwidth } from './output.ts'

describe('bandwidthTest', () => {
  test.each([
    ['a100-8/bandwidthTest.0', 24.1e9],
    ['a100-8/bandwidthTest.4', 3.1e9],
    // Of several sizes, the largest one counts.
    ['bandwidthTest/v100-shmoo.txt', 12.4e9],
    ['bandwidthTest/old-megabytes.txt', 11659.1e6],
    ['h200-1/bandwidthTest.0', 55.3e9],
    ['bandwidthTest/not-ready.txt', undefined],
    // For a GPU that CUDA does not see, it measures GPU 0 and reports "PASS".
    ['bandwidthTest/wrong-gpu.txt', undefined],
    ['bandwidthTest/no-device.txt', undefined],
    // An incomplete line has no value: "2" would be read as 2 GB/s.
    ['bandwidthTest/cut.txt', undefined],
  ])('%s', (path, expected) => {
    expect(parseBandwidthTest(recording(path))).toBe(expected)
  })

  test('a rate that contains 802 is not error 802', () => {
    const line = 'bandwidthTest-H2D-Pinned, Bandwidth = 24.0 GB/s, Time = 0.00802 s, Size = 32000000 bytes\n'
    expect(parseBandwidthTest(line)).toBe(24e9)
  })

  test('output in another language is rejected', () => {
    expect(
      parseBandwidthTest('bandwidthTest-H2D-Pinned, Bandwidth = 12,3 GB/s, Time = 0,1 s, Size = 3 bytes'),
    ).toBeUndefined()
  })
})

describe('nvbandwidth', () => {
  test.each([
    ['nvbandwidth/0.5-verbose.txt', [12.3964e9]],
    ['nvbandwidth/0.5-among-warnings.txt', [12.3964e9]],
    ['nvbandwidth/0.6-gh200.txt', [369.36e9, 269.33e9, 412.11e9]],
    ['nvbandwidth/0.9.txt', [55.51e9]],
    ['h200-1/nvbandwidth.json.txt', [55.5149e9]],
    [
      'h100-8/nvbandwidth.json.txt',
      [55.63, 55.58, 55.61, 55.64, 55.37, 55.41, 55.6, 55.59].map((value) => value * 1e9),
    ],
  ])('%s', (path, bytesPerSecond) => {
    expect(parseNvbandwidth(recording(path))).toEqual({ kind: 'measured', bytesPerSecond })
  })

  test.each([
    ['nvbandwidth/error.txt', /not yet initialized/],
    ['nvbandwidth/waived.txt', /ended as Waived/],
    ['nvbandwidth/0.9-waived.txt', /did not run host_to_device_memcpy_ce/],
    ['nvbandwidth/0.9-unknown.txt', /did not run host_to_device_memcpy_ce/],
    ['nvbandwidth/0.9-no-device.txt', /no CUDA-capable device is detected/],
  ])('finds the reason in %s', (path, reason) => {
    expect(parseNvbandwidth(recording(path))).toEqual({
      kind: 'not-measured',
      reason: expect.stringMatching(reason),
    })
  })

  test('a GPU without a value is not one with 0', () => {
    const text = recording('h100-8/nvbandwidth.json.txt').replace('"55.64"', '"N/A"')
    expect(parseNvbandwidth(text)).toMatchObject({ bytesPerSecond: { 3: undefined, 4: 55.37e9 } })
  })

  test.each([
    '',
    '{',
    recording('nvbandwidth/0.5-verbose.txt').slice(0, 400),
    recording('nvbandwidth/refusal.txt'),
    recording('nvbandwidth/0.9-bad-option.txt'),
  ])('incomplete or other output is no result', (text) => {
    expect(parseNvbandwidth(text)).toBeUndefined()
  })
})
