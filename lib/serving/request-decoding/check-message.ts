/** Checks of the bytes of requests that every RPC needs, before generated code decodes them. */

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import type { Violation } from '../../errors.ts'
import { FIELD_TYPE, type Field, type MessageTypes } from './message-types.ts'

/** As in other protobuf implementations. */
const MAX_DEPTH = 100
/** The error lists this many problems at most; a request can contain millions. */
const MAX_VIOLATIONS = 100

/** Ranges of google/protobuf/duration.proto and timestamp.proto. */
const MAX_DURATION_SECONDS = 315_576_000_000
const MIN_TIMESTAMP_SECONDS = -62_135_596_800
const MAX_TIMESTAMP_SECONDS = 253_402_300_799
const MAX_NANOS = 999_999_999

const utf8 = new TextDecoder('utf-8', { fatal: true })

const BIT_64: readonly number[] = [FIELD_TYPE.double, FIELD_TYPE.fixed64, FIELD_TYPE.sfixed64]
const BIT_32: readonly number[] = [FIELD_TYPE.float, FIELD_TYPE.fixed32, FIELD_TYPE.sfixed32]
const DELIMITED: readonly number[] = [FIELD_TYPE.string, FIELD_TYPE.message, FIELD_TYPE.bytes]

const wireTypeOf = (type: number): WireType => {
  if (DELIMITED.includes(type)) return WireType.LengthDelimited
  if (BIT_64.includes(type)) return WireType.Bit64
  return BIT_32.includes(type) ? WireType.Bit32 : WireType.Varint
}

const rangeProblem = (value: bigint | string): string | undefined =>
  Number.isSafeInteger(Number(value))
    ? undefined
    : 'is not within -(2^53 - 1) to 2^53 - 1, the range of exact integers'

const finiteProblem = (value: number): string | undefined =>
  Number.isFinite(value) ? undefined : 'is not a finite number'

/** Reads one value that is not a message. Returns what is wrong with it. */
const readScalar = (reader: BinaryReader, type: number, wireType: WireType): string | undefined => {
  switch (type) {
    case FIELD_TYPE.double:
      return finiteProblem(reader.double())
    case FIELD_TYPE.float:
      return finiteProblem(reader.float())
    case FIELD_TYPE.int64:
      return rangeProblem(reader.int64())
    case FIELD_TYPE.uint64:
      return rangeProblem(reader.uint64())
    case FIELD_TYPE.sint64:
      return rangeProblem(reader.sint64())
    case FIELD_TYPE.fixed64:
      return rangeProblem(reader.fixed64())
    case FIELD_TYPE.sfixed64:
      return rangeProblem(reader.sfixed64())
    case FIELD_TYPE.string: {
      const bytes = reader.bytes()
      try {
        utf8.decode(bytes)
        return undefined
      } catch {
        return 'is not valid UTF-8'
      }
    }
    default:
      reader.skip(wireType)
      return undefined
  }
}

/** BinaryReader checks some of its reads only. */
const throwIfTruncated = (reader: BinaryReader): void => {
  if (reader.pos > reader.len) throw new RangeError('premature end')
}

/** Reads a Duration or Timestamp. Seconds beyond 2^53 are approximate, which is exact enough to reject them. */
const readTime = (bytes: Uint8Array): { seconds: number; nanos: number } => {
  const reader = new BinaryReader(bytes)
  const time = { seconds: 0, nanos: 0 }
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const isKnown = wireType === WireType.Varint
    if (isKnown && number === 1) time.seconds = Number(reader.int64())
    else if (isKnown && number === 2) time.nanos = reader.int32()
    else reader.skip(wireType, number)
    throwIfTruncated(reader)
  }
  return time
}

const durationProblem = (bytes: Uint8Array): string | undefined => {
  const { seconds, nanos } = readTime(bytes)
  if (Math.abs(seconds) > MAX_DURATION_SECONDS) return `is not within ±${MAX_DURATION_SECONDS} s`
  if (Math.abs(nanos) > MAX_NANOS) return `has nanos that are not within ±${MAX_NANOS}`
  return seconds * nanos < 0 ? 'has seconds and nanos of different signs' : undefined
}

const timestampProblem = (bytes: Uint8Array): string | undefined => {
  const { seconds, nanos } = readTime(bytes)
  if (seconds < MIN_TIMESTAMP_SECONDS || seconds > MAX_TIMESTAMP_SECONDS)
    return 'is not within the years 1 to 9999'
  return nanos >= 0 && nanos <= MAX_NANOS ? undefined : `has nanos that are not within 0 to ${MAX_NANOS}`
}

const TIME_PROBLEMS: Record<string, (bytes: Uint8Array) => string | undefined> = {
  'google.protobuf.Duration': durationProblem,
  'google.protobuf.Timestamp': timestampProblem,
}

const MALFORMED = 'is not a valid protobuf message'

/** Checks one message and everything in it. */
class MessageChecker {
  readonly violations: Violation[] = []
  readonly #types: MessageTypes

  constructor(types: MessageTypes) {
    this.#types = types
  }

  checkMessage(type: string, bytes: Uint8Array, path: string, depth: number): void {
    if (depth > MAX_DEPTH) {
      this.#report(path, `is nested more than ${MAX_DEPTH} levels deep`)
      return
    }
    const fields = this.#types.fields.get(type) ?? new Map<number, Field>()
    const counts = new Map<number, number>()
    try {
      const timeProblemOf = TIME_PROBLEMS[type]
      if (timeProblemOf) {
        const problem = timeProblemOf(bytes)
        if (problem) this.#report(path, problem)
        return
      }
      const reader = new BinaryReader(bytes)
      while (reader.pos < reader.len && this.violations.length < MAX_VIOLATIONS) {
        const [number, wireType] = reader.tag()
        const field = fields.get(number)
        if (!field) {
          reader.skip(wireType, number)
          continue
        }
        const index = counts.get(number) ?? 0
        counts.set(number, index + 1)
        const name = path === '' ? field.name : `${path}.${field.name}`
        this.#checkField(reader, field, wireType, field.repeated ? `${name}[${index}]` : name, depth)
        throwIfTruncated(reader)
      }
    } catch {
      // What BinaryReader throws for malformed bytes is an Error or a RangeError without a common type.
      this.#report(path, MALFORMED)
    }
  }

  #checkField(reader: BinaryReader, field: Field, wireType: WireType, path: string, depth: number): void {
    const expected = wireTypeOf(field.type)
    const isPacked =
      field.repeated && wireType === WireType.LengthDelimited && expected !== WireType.LengthDelimited
    if (isPacked) {
      const packed = new BinaryReader(reader.bytes())
      while (packed.pos < packed.len) {
        const problem = readScalar(packed, field.type, expected)
        throwIfTruncated(packed)
        if (problem) this.#report(path, problem)
      }
      return
    }
    if (wireType !== expected) {
      reader.skip(wireType)
      this.#report(path, 'has the encoding of another type')
    } else if (field.type === FIELD_TYPE.message) {
      this.checkMessage(field.messageType, reader.bytes(), path, depth + 1)
    } else {
      const problem = readScalar(reader, field.type, wireType)
      if (problem) this.#report(path, problem)
    }
  }

  #report(field: string, description: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ field, description })
  }
}

/**
 * Everything in the bytes of a message that generated code cannot represent: malformed protobuf, integers beyond 2^53,
 * numbers that are not finite, invalid UTF-8, and durations and timestamps out of their range.
 */
export const checkMessage = (types: MessageTypes, type: string, bytes: Uint8Array): Violation[] => {
  const checker = new MessageChecker(types)
  checker.checkMessage(type, bytes, '', 1)
  return checker.violations
}
