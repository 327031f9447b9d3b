import { type Entry, type Reader, readEntry, readVarint } from './codec.ts'

/**
 * Windows of one minute that are not in `raw` yet, as bytes in the order in which they came: each behind the place of
 * the one before of the same path. Beside the bytes it costs a number for each path.
 */
export type LiveMinute = {
  /** Takes what a row of `fresh` holds: for each window its path and its bytes. */
  absorb(body: Uint8Array): void
  /** What came of a path, in the order in which it came. */
  entries(path: number): Entry[]
  has(path: number): boolean
  paths(): number[]
  remove(path: number): void
  /** Paths that are here. */
  size(): number
  /** Windows that are here, those that came twice too. */
  windowCount(): number
}

const LINK_BYTES = 4

export const createLiveMinute = (): LiveMinute => {
  let log = Buffer.alloc(1024)
  let length = 0
  let windowCount = 0
  const heads = new Map<number, number>()

  const append = (path: number, bytes: Uint8Array) => {
    const needed = length + LINK_BYTES + bytes.length
    if (needed > log.length) log = Buffer.concat([log.subarray(0, length)], Math.max(log.length * 2, needed))
    log.writeUInt32LE((heads.get(path) ?? -1) + 1, length)
    log.set(bytes, length + LINK_BYTES)
    heads.set(path, length)
    length = needed
    windowCount++
  }

  const entries = (path: number): Entry[] => {
    const found: Entry[] = []
    for (let at = heads.get(path) ?? -1; at >= 0; at = log.readUInt32LE(at) - 1) {
      found.push(readEntry({ bytes: log, at: at + LINK_BYTES }))
    }
    return found.reverse()
  }

  return {
    absorb: (body) => {
      const reader: Reader = { bytes: body, at: 0 }
      while (reader.at < body.length) {
        const path = readVarint(reader)
        append(path, readEntry(reader).bytes)
      }
    },
    entries,
    has: (path) => heads.has(path),
    paths: () => [...heads.keys()],
    remove: (path) => {
      windowCount -= entries(path).length
      heads.delete(path)
    },
    size: () => heads.size,
    windowCount: () => windowCount,
  }
}
