import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Space is reserved only on a disk with this many times the reserved bytes free. */
const MIN_FREE_FACTOR = 10

/**
 * Disk space that is reserved for a full disk, as a file next to the store. On a full disk SQLite can neither checkpoint
 * nor restart its log, so it could not even remove expired content. Deleting this file makes that possible.
 */
export type ReservedSpace = {
  /** Reserves the space when the disk has plenty. */
  reserve(): void
  /** Releases the space. */
  release(): void
  sizeBytes(): number
}

export const createReservedSpace = (path: string, bytes: number): ReservedSpace => {
  const file = `${path}-spare`
  const sizeBytes = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0
  const release = () => rmSync(file, { force: true })
  const hasPlenty = () => {
    const { bavail, bsize } = statfsSync(dirname(file))
    return bavail * bsize > MIN_FREE_FACTOR * bytes
  }
  return {
    release,
    sizeBytes,
    reserve: () => {
      if (sizeBytes() === bytes || !hasPlenty()) return
      try {
        // Written zeros occupy space; a hole in a file does not.
        writeFileSync(file, Buffer.alloc(bytes), { mode: 0o600 })
      } catch {
        // Another program filled the disk at the same time.
        release()
      }
    },
  }
}

/** For a store in memory. */
export const NO_RESERVED_SPACE: ReservedSpace = {
  reserve: () => undefined,
  release: () => undefined,
  sizeBytes: () => 0,
}
