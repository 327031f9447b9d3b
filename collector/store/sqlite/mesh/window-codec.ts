/**
 * A window as bytes: how many bytes follow, its start after the beginning of its bucket, its length, probes sent and
 * received; when any was received the least, the span, the sum and the jitter of the round-trip times; then the buckets
 * of the histogram that count anything. All are varints (7 bits a byte, low ones first; up to 2^53). A usual window of
 * 10 probes takes about 28 bytes.
 */

import { MAX_INDEX, MIN_INDEX } from '../../../../lib/histogram.ts'
import { DamagedWindow } from './damaged-rows.ts'
import { addCount, type Sum } from './window-sum.ts'

/** Bytes that grow as they are written. */
export type Writer = {
  varint(value: number): void
  append(bytes: Uint8Array): void
  /** A view of what was written; valid until the next write. */
  bytes(): Uint8Array
  clear(): void
}

export const createWriter = (capacity = 256): Writer => {
  let buffer = new Uint8Array(capacity)
  let length = 0
  const room = (more: number) => {
    if (length + more <= buffer.length) return
    const larger = new Uint8Array(Math.max(buffer.length * 2, length + more))
    larger.set(buffer.subarray(0, length))
    buffer = larger
  }
  return {
    varint: (value) => {
      room(8)
      let rest = value
      for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) buffer[length++] = (rest % 0x80) | 0x80
      buffer[length++] = rest
    },
    append: (bytes) => {
      room(bytes.length)
      buffer.set(bytes, length)
      length += bytes.length
    },
    bytes: () => buffer.subarray(0, length),
    clear: () => {
      length = 0
    },
  }
}

/** Where reading is; `at` moves on. */
export type Reader = { bytes: Uint8Array; at: number }

/** @throws DamagedWindow where the bytes end too soon */
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

const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1)
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2)

/** Most buckets are next to each other and count little: a gap below 32 and a count below 4 are one byte. */
const COUNT_ESCAPE = 3

const writeHistogram = (writer: Writer, { offset, counts }: Sum): void => {
  let next = -1
  for (const [position, count] of counts.entries()) {
    if (count === 0) continue
    if (next === -1) {
      writer.varint(zigzag(offset + position))
      next = position
    }
    const small = Math.min(count - 1, COUNT_ESCAPE)
    writer.varint((position - next) * 4 + small)
    if (small === COUNT_ESCAPE) writer.varint(count - 1 - COUNT_ESCAPE)
    next = position + 1
  }
}

const scratch = createWriter()

/** Writes the sum; `originMs` is the beginning of its bucket, at or before its start. */
export const writeSum = (writer: Writer, sum: Sum, originMs: number): void => {
  scratch.clear()
  scratch.varint(sum.startMs - originMs)
  scratch.varint(sum.endMs - sum.startMs)
  scratch.varint(sum.sent)
  scratch.varint(sum.received)
  if (sum.received > 0) {
    scratch.varint(sum.rttMin)
    scratch.varint(sum.rttMax - sum.rttMin)
    scratch.varint(sum.rttSum)
    scratch.varint(sum.jitterSum)
    writeHistogram(scratch, sum)
  }
  const body = scratch.bytes()
  writer.varint(body.length)
  writer.append(body)
}

/** Adds the window that the reader is at to the sum. */
export const addWindow = (sum: Sum, reader: Reader, originMs: number): void => {
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
  reader.at = end
}

/** A window that is still bytes: its start after the beginning of its bucket, and all of it with its length. */
export type Entry = { start: number; bytes: Uint8Array }

/** @throws DamagedWindow where the bytes end before the window does */
export const readEntry = (reader: Reader): Entry => {
  const from = reader.at
  const length = readVarint(reader)
  const end = reader.at + length
  if (end > reader.bytes.length) throw new DamagedWindow()
  const start = readVarint(reader)
  reader.at = end
  return { start, bytes: reader.bytes.subarray(from, end) }
}

/** @throws DamagedWindow when not all of it can be taken apart */
export const readEntries = (bytes: Uint8Array, entries: Entry[] = []): Entry[] => {
  const reader: Reader = { bytes, at: 0 }
  while (reader.at < bytes.length) entries.push(readEntry(reader))
  return entries
}

/** Up to where the lengths of the windows are lost: what can be read at all. */
export const readableEntries = (bytes: Uint8Array): Entry[] => {
  const entries: Entry[] = []
  try {
    return readEntries(bytes, entries)
  } catch (error) {
    if (!(error instanceof DamagedWindow)) throw error
    return entries
  }
}

/** How many windows there are, without looking into them; of damaged bytes those before the damage. */
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

/** By start; of two with the same start the one that was there first stays. */
export const inOrder = (entries: readonly Entry[]): Entry[] => {
  // Nearly always they are in order already.
  const sorted = entries.every((entry, index) => index === 0 || entries[index - 1]!.start < entry.start)
  if (sorted) return [...entries]
  const ordered = entries.toSorted((a, b) => a.start - b.start)
  return ordered.filter((entry, index) => index === 0 || ordered[index - 1]!.start !== entry.start)
}

export const joinEntries = (entries: readonly Entry[]): Uint8Array =>
  Buffer.concat(entries.map(({ bytes }) => bytes))
