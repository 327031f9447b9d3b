import { DamagedWindow } from './damaged-rows.ts'
import { MAX_PATH } from './roll-up-levels.ts'
import { type Entry, type Reader, readEntry, readVarint } from './window-codec.ts'

/**
 * The windows of one minute that are not in `raw` yet, encoded and in the order of their arrival. The windows of a path
 * form a linked list: each is stored after the position of the previous one. In addition to the bytes this costs one
 * number per path.
 */
export type MinuteBuffer = {
  /**
   * Adds the content of a row of `fresh`: for each window its path and its bytes.
   * @throws DamagedWindow at the first damaged window; the ones before it are added
   */
  addRow(body: Uint8Array): void
  /** The windows of a path in the order of their arrival. */
  entries(path: number): Entry[]
  has(path: number): boolean
  paths(): number[]
  remove(path: number): void
  /** Number of paths in the buffer. */
  size(): number
  /** Number of windows in the buffer, duplicates included. */
  windowCount(): number
}

const LINK_BYTES = 4
/** Bytes are allocated in chunks. A single growing buffer would be half empty, and exist twice while it grows. */
const CHUNK_BYTES = 2 ** 18

/** Appends linked windows. A position is a 32-bit number, so a minute has space for 4 GB. */
const createLinkedLog = () => {
  const chunks: Buffer[] = []
  let length = CHUNK_BYTES
  return {
    /** @returns the position of the window */
    append: (link: number, bytes: Uint8Array): number => {
      const needed = LINK_BYTES + bytes.length
      if (length + needed > CHUNK_BYTES) {
        chunks.push(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, needed)))
        length = 0
      }
      const chunk = chunks.at(-1)!
      chunk.writeUInt32LE(link, length)
      chunk.set(bytes, length + LINK_BYTES)
      const position = (chunks.length - 1) * CHUNK_BYTES + length
      length += needed
      return position
    },
    at: (position: number): { bytes: Buffer; at: number } => ({
      bytes: chunks[Math.floor(position / CHUNK_BYTES)]!,
      at: position % CHUNK_BYTES,
    }),
  }
}

export const createMinuteBuffer = (): MinuteBuffer => {
  const log = createLinkedLog()
  let windowCount = 0
  /** Position of the last window of each path. */
  const lastOf = new Map<number, number>()

  const append = (path: number, bytes: Uint8Array) => {
    // A link is the position of the previous window plus 1; 0 means none.
    lastOf.set(path, log.append((lastOf.get(path) ?? -1) + 1, bytes))
    windowCount++
  }

  const entries = (path: number): Entry[] => {
    const found: Entry[] = []
    for (let position = lastOf.get(path) ?? -1; position >= 0; ) {
      const { bytes, at } = log.at(position)
      found.push(readEntry({ bytes, at: at + LINK_BYTES }))
      position = bytes.readUInt32LE(at) - 1
    }
    return found.reverse()
  }

  return {
    addRow: (body) => {
      const reader: Reader = { bytes: body, at: 0 }
      while (reader.at < body.length) {
        const path = readVarint(reader)
        if (path > MAX_PATH) throw new DamagedWindow()
        append(path, readEntry(reader).bytes)
      }
    },
    entries,
    has: (path) => lastOf.has(path),
    paths: () => [...lastOf.keys()],
    remove: (path) => {
      windowCount -= entries(path).length
      lastOf.delete(path)
    },
    size: () => lastOf.size,
    windowCount: () => windowCount,
  }
}
