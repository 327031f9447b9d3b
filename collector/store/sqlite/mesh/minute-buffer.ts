import { DamagedWindow } from './damaged-rows.ts'
import { MAX_PATH } from './roll-up-levels.ts'
import { type Entry, type Reader, readEntry, readVarint } from './window-codec.ts'

/**
 * Windows of one minute that are not in `raw` yet, as bytes in the order in which they came: each behind the place of
 * the one before of the same path. Beside the bytes it costs a number for each path.
 */
export type LiveMinute = {
  /**
   * Takes what a row of `fresh` holds: for each window its path and its bytes.
   * @throws DamagedWindow where it is not whole; what comes before is taken
   */
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
/** Bytes come in pieces: one buffer that doubles is half empty, and is there twice while it grows. */
const PIECE_BYTES = 2 ** 18

/** Windows one behind the other; a place is a number of 32 bits, so that a minute has room for 4 GB. */
const createLog = () => {
  const pieces: Buffer[] = []
  let length = PIECE_BYTES
  return {
    /** @returns where it begins */
    append: (link: number, bytes: Uint8Array): number => {
      const needed = LINK_BYTES + bytes.length
      if (length + needed > PIECE_BYTES) {
        pieces.push(Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, needed)))
        length = 0
      }
      const piece = pieces.at(-1)!
      piece.writeUInt32LE(link, length)
      piece.set(bytes, length + LINK_BYTES)
      const place = (pieces.length - 1) * PIECE_BYTES + length
      length += needed
      return place
    },
    at: (place: number): { bytes: Buffer; at: number } => ({
      bytes: pieces[Math.floor(place / PIECE_BYTES)]!,
      at: place % PIECE_BYTES,
    }),
  }
}

export const createLiveMinute = (): LiveMinute => {
  const log = createLog()
  let windowCount = 0
  const heads = new Map<number, number>()

  const append = (path: number, bytes: Uint8Array) => {
    // Behind a place stands the one before plus one; 0 is none.
    heads.set(path, log.append((heads.get(path) ?? -1) + 1, bytes))
    windowCount++
  }

  const entries = (path: number): Entry[] => {
    const found: Entry[] = []
    for (let place = heads.get(path) ?? -1; place >= 0; ) {
      const { bytes, at } = log.at(place)
      found.push(readEntry({ bytes, at: at + LINK_BYTES }))
      place = bytes.readUInt32LE(at) - 1
    }
    return found.reverse()
  }

  return {
    absorb: (body) => {
      const reader: Reader = { bytes: body, at: 0 }
      while (reader.at < body.length) {
        const path = readVarint(reader)
        if (path > MAX_PATH) throw new DamagedWindow()
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
