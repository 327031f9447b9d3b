import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** A disk that has less free than so many times the spare room is not made fuller by it. */
const AMPLE = 10

/**
 * Room on the disk that is kept for a bad day. On a full disk SQLite can neither write its log into the file nor begin
 * the log anew, so that not even what is too old could be removed: then this file goes, and comes back when there is
 * room again.
 */
export type ReservedSpace = {
  /** Keeps the room when the disk has plenty. */
  keep(): void
  /** Whether there was any to give up. */
  giveUp(): boolean
  sizeBytes(): number
}

export const createReservedSpace = (path: string, bytes: number): ReservedSpace => {
  const file = `${path}-spare`
  const sizeBytes = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0
  const giveUp = () => {
    const was = sizeBytes() > 0
    rmSync(file, { force: true })
    return was
  }
  const hasPlenty = () => {
    const { bavail, bsize } = statfsSync(dirname(file))
    return bavail * bsize > AMPLE * bytes
  }
  return {
    giveUp,
    sizeBytes,
    keep: () => {
      if (sizeBytes() === bytes || !hasPlenty()) return
      try {
        // Zeros that are written take room; a hole in a file does not.
        writeFileSync(file, Buffer.alloc(bytes), { mode: 0o600 })
      } catch {
        // Someone else took the room in between: then there is nothing to spare.
        giveUp()
      }
    },
  }
}

/** A store in memory has no disk. */
export const NO_RESERVED_SPACE: ReservedSpace = {
  keep: () => undefined,
  giveUp: () => false,
  sizeBytes: () => 0,
}
