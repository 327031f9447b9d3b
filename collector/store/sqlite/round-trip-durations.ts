import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { RttSpread } from '#proto/meshgauge/collector/v1/result.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'

/** Field numbers of Run.summary, Summary.interfaces and InterfaceSummary.rtt. */
const RTT_PATH = [11, 1, 6]

/** Names of the former fields 1 to 5 of RttSpread, each a double in seconds. */
const FORMER_FIELDS = ['min', 'avg', 'p50', 'p99', 'max'] as const

const convertRtt = (bytes: Uint8Array): Uint8Array => {
  const reader = new BinaryReader(bytes)
  const rtt = RttSpread.decode(bytes)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    const name = FORMER_FIELDS[field - 1]
    if (name && wireType === WireType.Bit64) rtt[name] = toDuration(reader.double())
    else reader.skip(wireType, field)
  }
  return RttSpread.encode(rtt).finish()
}

/** Replaces every submessage at a path of field numbers. Everything else keeps its bytes. */
const replaceAt = (bytes: Uint8Array, [field, ...rest]: readonly number[]): Uint8Array => {
  if (field === undefined) return convertRtt(bytes)
  const reader = new BinaryReader(bytes)
  const parts: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [number, wireType] = reader.tag()
    if (number === field && wireType === WireType.LengthDelimited) {
      const changed = replaceAt(reader.bytes(), rest)
      parts.push(new BinaryWriter().tag(number, wireType).bytes(changed).finish())
    } else {
      reader.skip(wireType, number)
      parts.push(bytes.subarray(start, reader.pos))
    }
  }
  return Buffer.concat(parts)
}

/** An encoded Run whose summary has its round-trip times as durations. A record that cannot be read stays as it is. */
export const withRoundTripDurations = (run: Uint8Array): Uint8Array => {
  try {
    return replaceAt(run, RTT_PATH)
  } catch {
    return run
  }
}
