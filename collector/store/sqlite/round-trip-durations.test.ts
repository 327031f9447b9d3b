import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { expect, test } from 'vitest'
import { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { runMessage } from '../run-message.ts'
import { sampleRun } from '../testing/samples.ts'
import { withRoundTripDurations } from './round-trip-durations.ts'

const delimited = (field: number, bytes: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(bytes).finish()

/** An RttSpread as version 2 stored it: fields 1 to 5 are seconds as doubles. */
const formerRtt = (...seconds: number[]): Uint8Array => {
  const writer = new BinaryWriter()
  for (const [index, value] of seconds.entries()) writer.tag(index + 1, WireType.Bit64).double(value)
  return writer.finish()
}

test('the round-trip times of a stored run become durations, and all else stays', () => {
  const run = runMessage(sampleRun())
  const { summary: _, ...rest } = run
  const summary = delimited(
    1,
    Buffer.concat([
      delimited(1, Buffer.from('net0')),
      delimited(6, formerRtt(0.001, 0.002, 0.0015, 0.003, 0.004)),
    ]),
  )
  const stored = Buffer.concat([Run.encode({ ...rest, summary: undefined }).finish(), delimited(11, summary)])
  const upgraded = Run.decode(withRoundTripDurations(stored))
  expect(upgraded.summary!.interfaces).toMatchObject([
    {
      interface: 'net0',
      rtt: {
        min: toDuration(0.001),
        avg: toDuration(0.002),
        p50: toDuration(0.0015),
        p99: toDuration(0.003),
        max: toDuration(0.004),
      },
    },
  ])
  expect({ ...upgraded, summary: undefined }).toEqual({ ...rest, summary: undefined })
})

test('an encoded run of today stays as it is', () => {
  const bytes = Run.encode(runMessage(sampleRun())).finish()
  expect(Buffer.from(withRoundTripDurations(bytes))).toEqual(Buffer.from(bytes))
})

test('a record that cannot be read stays as it is', () => {
  const bytes = Uint8Array.of(0x5a, 0x05, 0x01)
  expect(withRoundTripDurations(bytes)).toBe(bytes)
})
