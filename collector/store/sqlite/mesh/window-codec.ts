/**
 * The encoding of a window: the number of bytes that follow, its start relative to its bucket, its length, the probes
 * sent and received; when any was received, the minimum, the range, the sum and the jitter of the round-trip times, and
 * the non-empty buckets of the histogram. All are varints (7 bits per byte, low bits first, up to 2^53). A usual window of
 * 10 probes takes about 28 bytes.
 */

import { MAX_INDEX, MIN_INDEX } from '../../../../lib/histogram.ts'
import { DamagedWindow } from './damaged-rows.ts'
import { addCount, type WindowSum } from './window-sum.ts'

/** A byte buffer that grows. */
class ByteBuffer {
  #buffer: Uint8Array
  #length = 0

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity)
  }

  varint(value: number): void {
    this.#ensure(8)
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[this.#length++] = (rest % 0x80) | 0x80
    this.#buffer[this.#length++] = rest
  }

  append(bytes: Uint8Array): void {
    this.#ensure(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** A view of the content; valid until the next write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  #ensure(more: number): void {
    if (this.#length + more <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + more))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}

const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1)
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2)

/** A gap below 32 buckets with a count below 4 takes one byte: most buckets are adjacent and have small counts. */
const COUNT_ESCAPE = 3

const writeHistogram = (buffer: ByteBuffer, { offset, counts }: WindowSum): void => {
  let next = -1
  for (const [position, count] of counts.entries()) {
    if (count === 0) continue
    if (next === -1) {
      buffer.varint(zigzag(offset + position))
      next = position
    }
    const small = Math.min(count - 1, COUNT_ESCAPE)
    buffer.varint((position - next) * 4 + small)
    if (small === COUNT_ESCAPE) buffer.varint(count - 1 - COUNT_ESCAPE)
    next = position + 1
  }
}

/** Encodes windows one after the other. */
export class WindowWriter {
  readonly #output: ByteBuffer
  /** The current window: its length is written before it. */
  readonly #window = new ByteBuffer(256)

  constructor(capacity = 256) {
    this.#output = new ByteBuffer(capacity)
  }

  path(path: number): void {
    this.#output.varint(path)
  }

  /** `originMs` is the start of the bucket, at or before the start of the window. */
  sum(sum: WindowSum, originMs: number): void {
    const window = this.#window
    window.clear()
    window.varint(sum.startMs - originMs)
    window.varint(sum.endMs - sum.startMs)
    window.varint(sum.sent)
    window.varint(sum.received)
    if (sum.received > 0) {
      window.varint(sum.rttMin)
      window.varint(sum.rttMax - sum.rttMin)
      window.varint(sum.rttSum)
      window.varint(sum.jitterSum)
      writeHistogram(window, sum)
    }
    const bytes = window.bytes()
    this.#output.varint(bytes.length)
    this.#output.append(bytes)
  }

  /** A view of the encoded windows; valid until the next write. */
  bytes(): Uint8Array {
    return this.#output.bytes()
  }

  clear(): void {
    this.#output.clear()
  }
}

/** A position in encoded windows; reading advances `at`. */
export type Reader = { bytes: Uint8Array; at: number }

/** @throws DamagedWindow when the bytes end within the number */
export const readVarint = (reader: Reader): number => {
  const { bytes } = reader
  let byte = bytes[reader.at++]!
  if (byte < 0x80) return byte
  let value = byte & 0x7f
  for (let scale = 0x80; ; scale *= 0x80) {
    if (reader.at >= bytes.length) throw new DamagedWindow()
    byte = bytes[reader.at++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
}

const addHistogram = (sum: WindowSum, reader: Reader, end: number): void => {
  let index = reader.at < end ? unzigzag(readVarint(reader)) : 0
  while (reader.at < end) {
    const token = readVarint(reader)
    const small = token % 4
    index += (token - small) / 4
    if (index < MIN_INDEX || index > MAX_INDEX) throw new DamagedWindow()
    addCount(sum, index, small === COUNT_ESCAPE ? readVarint(reader) + 1 + COUNT_ESCAPE : small + 1)
    index++
  }
}

/** Decodes the window at the reader's position and adds it to the sum. @throws DamagedWindow */
export const addWindow = (sum: WindowSum, reader: Reader, originMs: number): void => {
  const length = readVarint(reader)
  const end = reader.at + length
  const start = originMs + readVarint(reader)
  if (start < sum.startMs) sum.startMs = start
  const last = start + readVarint(reader)
  if (last > sum.endMs) sum.endMs = last
  sum.sent += readVarint(reader)
  const received = readVarint(reader)
  if (received > 0) {
    sum.received += received
    const least = readVarint(reader)
    if (least < sum.rttMin) sum.rttMin = least
    const most = least + readVarint(reader)
    if (most > sum.rttMax) sum.rttMax = most
    sum.rttSum += readVarint(reader)
    sum.jitterSum += readVarint(reader)
    addHistogram(sum, reader, end)
  }
  reader.at = end
}

/** An encoded window: its start relative to its bucket, and its bytes with the length prefix. */
export type Entry = { start: number; bytes: Uint8Array }

const isEqual = (one: Entry, other: Entry): boolean => Buffer.compare(one.bytes, other.bytes) === 0

/** @throws DamagedWindow when the bytes end before the window does */
export const readEntry = (reader: Reader): Entry => {
  const from = reader.at
  const length = readVarint(reader)
  const end = reader.at + length
  if (end > reader.bytes.length) throw new DamagedWindow()
  const start = readVarint(reader)
  reader.at = end
  return { start, bytes: reader.bytes.subarray(from, end) }
}

/** Splits encoded windows and appends them to `entries`. @throws DamagedWindow after the intact ones */
export const readEntries = (bytes: Uint8Array, entries: Entry[] = []): Entry[] => {
  const reader: Reader = { bytes, at: 0 }
  while (reader.at < bytes.length) entries.push(readEntry(reader))
  return entries
}

/** Returns the windows before the first one that cannot be separated from the rest. */
export const readableEntries = (bytes: Uint8Array): Entry[] => {
  const entries: Entry[] = []
  try {
    return readEntries(bytes, entries)
  } catch (error) {
    if (!(error instanceof DamagedWindow)) throw error
    return entries
  }
}

/** Returns the number of windows without decoding them; for damaged bytes the number before the damage. */
export const countEntries = (bytes: Uint8Array): number => {
  const reader: Reader = { bytes, at: 0 }
  let count = 0
  try {
    while (reader.at < bytes.length) {
      const length = readVarint(reader)
      reader.at += length
      if (reader.at <= bytes.length) count++
    }
  } catch (error) {
    if (!(error instanceof DamagedWindow)) throw error
  }
  return count
}

/**
 * Sorts windows by start, and those of one start by arrival. Equal windows are one that arrived twice. Different windows
 * with one start are stored: they are of different times when the wall clock was set back in between.
 */
export const sortEntries = (entries: readonly Entry[]): Entry[] => {
  // Nearly always they are sorted already.
  const sorted = entries.every((entry, index) => index === 0 || entries[index - 1]!.start < entry.start)
  if (sorted) return [...entries]
  const kept: Entry[] = []
  for (const entry of entries.toSorted((a, b) => a.start - b.start)) {
    let index = kept.length - 1
    while (index >= 0 && kept[index]!.start === entry.start && !isEqual(kept[index]!, entry)) index--
    if (index < 0 || kept[index]!.start !== entry.start) kept.push(entry)
  }
  return kept
}

export const joinEntries = (entries: readonly Entry[]): Uint8Array =>
  Buffer.concat(entries.map(({ bytes }) => bytes))
