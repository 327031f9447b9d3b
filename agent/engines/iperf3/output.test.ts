import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutsOf, linesOf } from '../testing/chunked.ts'
import { createParser } from './output.ts'
import type { Sample } from './output-events.ts'
import { bytesOf, namesOf, parse, planOf, readRecording as read, VERSIONS } from './testing/recordings.ts'

const BROKEN = [
  'bad-bind',
  'bad-congestion',
  'bad-device',
  'busy',
  'cut',
  'killed',
  'no-host',
  'no-route',
  'refused',
  'silent',
]

describe.each(VERSIONS)('iperf3 %s', (version) => {
  test.each(namesOf(version))('any chunking of %s gives the same events, all of them known', (name) => {
    const bytes = bytesOf(version, name)
    const whole = parse(version, name, linesOf(bytes))
    expect(whole.filter((output) => output.kind === 'unknown')).toEqual([])
    fc.assert(
      fc.property(cutsOf(bytes), (cuts) => {
        expect(parse(version, name, linesOf(bytes, cuts))).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  test.each(namesOf(version).filter((name) => !BROKEN.includes(name)))('%s is a complete test', (name) => {
    const { errors, figures, began } = read(version, name)
    expect({ errors, began }).toEqual({ errors: [], began: true })
    expect(figures?.sender?.bytes).toBeGreaterThan(0)
    expect(figures?.receiver).toBeDefined()
    expect(figures?.reverseReceiver !== undefined).toBe(name.includes('bidir'))
  })

  test.each(BROKEN)('%s contains the error', (name) => {
    const { errors, began } = read(version, name)
    expect(errors).toEqual([expect.stringMatching(ERRORS[name]!)])
    expect(began).toBe(['cut', 'killed'].includes(name))
  })

  test('intervals are consecutive, in both directions', () => {
    const { samples } = read(version, 'bidir-parallel')
    expect(samples.map((sample) => sample.reverse)).toEqual([false, true, false, true])
    for (const reverse of [false, true]) {
      const own = samples.filter((sample) => sample.reverse === reverse)
      expect(own[0]).toMatchObject({ startSeconds: 0, omitted: false })
      expect(own[1]?.startSeconds).toBe(own[0]?.endSeconds)
    }
  })

  test.each(['parallel', 'bidir-parallel', 'udp-reverse', 'udp'])(
    'the samples of %s add up to its total',
    (name) => {
      const { samples, figures } = read(version, name)
      const own = samples.filter((sample) => !sample.reverse)
      const bytes = own.reduce((sum, sample) => sum + sample.bytes, 0)
      expect(bytes / (figures?.sender?.bytes ?? 0)).toBeCloseTo(1, 1)
    },
  )

  test('the warm-up is marked, and no interval has length 0', () => {
    for (const name of ['omit', 'udp-omit']) {
      const { samples } = read(version, name)
      expect(samples.filter((sample) => sample.omitted).length).toBeGreaterThan(0)
      for (const { startSeconds, endSeconds } of samples) expect(endSeconds).toBeGreaterThan(startSeconds)
      expect(samples.filter((sample) => !sample.omitted).at(-1)?.endSeconds).toBeCloseTo(2, 1)
    }
  })

  test('an interval that is repeated when a test breaks off counts once', () => {
    const { samples } = read(version, 'killed')
    expect(samples).toHaveLength(2)
    expect(samples[0]?.endSeconds).toBe(samples[1]?.startSeconds)
  })

  test('retransmits are reported for TCP, at the sender', () => {
    expect(read(version, 'tcp').samples[0]?.retransmits).toEqual(expect.any(Number))
    for (const name of ['udp', 'udp-bidir', 'reverse']) {
      for (const sample of read(version, name).samples) expect(sample.retransmits).toBeUndefined()
    }
    expect(read(version, 'reverse').figures?.sender?.retransmits).toEqual(expect.any(Number))
    expect(read(version, 'udp').figures?.sender?.retransmits).toBeUndefined()
  })

  test('loss and jitter are reported by the receiver', () => {
    const { receiver } = read(version, 'udp-loss').figures!
    expect(receiver?.lossRatio).toBeGreaterThan(0.15)
    expect(receiver?.lossRatio).toBeLessThan(0.25)
    expect(receiver?.jitterSeconds).toBeGreaterThan(0)
    expect(read(version, 'udp').figures?.receiver?.lossRatio).toBe(0)
  })
})

const ERRORS: Record<string, RegExp> = {
  'bad-bind': /unable to connect to server.*: Cannot assign requested address$/,
  'bad-congestion': /^unable to set TCP_CONGESTION/,
  'bad-device': /unable to connect to server.*: No such device$/,
  busy: /^the server is busy running a test/,
  cut: /^the client has terminated|^interrupt - the client has terminated/,
  killed: /Connection reset by peer|^control socket has closed unexpectedly$/,
  'no-host': /unable to connect to server.*: Connection timed out$/,
  'no-route': /unable to connect to server.*: Network is unreachable$/,
  refused: /unable to connect to server.*: Connection refused$/,
  silent: /unable to connect to server.*: Connection timed out$/,
}

test('values of text match the recording', () => {
  const { samples, figures } = read('3.12', 'parallel')
  expect(samples).toHaveLength(2)
  const tcp = read('3.12', 'tcp')
  expect(tcp.figures).toEqual({
    sender: expect.objectContaining({ bitsPerSecond: 10_562_406_000, retransmits: 404 }),
    receiver: expect.objectContaining({ bitsPerSecond: 10_556_937_000 }),
    localCpuRatio: expect.closeTo(0.301),
    remoteCpuRatio: expect.closeTo(0.339),
  })
  expect(figures?.receiver).toMatchObject({ bitsPerSecond: 17_596_468_000, bytes: 4_399_117_000, seconds: 2 })
  expect(read('3.12', 'slow').samples[0]).toEqual({
    startSeconds: 0,
    endSeconds: 1,
    bitsPerSecond: 56_000,
    bytes: 7000,
    retransmits: 0,
    omitted: false,
    reverse: false,
  } satisfies Sample)
})

test('values of JSON match the recording', () => {
  const { samples, figures } = read('3.18', 'tcp')
  expect(samples[0]).toEqual({
    startSeconds: 0,
    endSeconds: 0.500569,
    bitsPerSecond: 15_325_324_244,
    bytes: 958_922_752,
    retransmits: 857,
    omitted: false,
    reverse: false,
  } satisfies Sample)
  expect(figures).toEqual({
    sender: expect.objectContaining({
      bitsPerSecond: 13_262_632_109,
      bytes: 3_319_005_184,
      retransmits: 859,
    }),
    receiver: expect.objectContaining({ bitsPerSecond: 13_221_128_303, bytes: 3_309_830_144 }),
    localCpuRatio: expect.closeTo(0.3128),
    remoteCpuRatio: expect.closeTo(0.3467),
  })
})

test.each([
  '{"event":"end"',
  '{"event":"interval","data":{"sum":{"start":"x"}}}',
  '[]',
  'null',
  '{"event":"later","data":1}',
])('JSON that is no event is unknown: %s', (line) => {
  const parser = createParser('json', planOf('tcp'))
  expect(parser.push(line)).toEqual([{ kind: 'unknown', text: line }])
})
