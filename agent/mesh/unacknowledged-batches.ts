/** Batches that were made and not yet acknowledged, oldest first, encoded: an agent that is cut off holds many. */

import { MeshBatch, type MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'

/**
 * Most that is held: with 48 targets and windows of 10 s it is over six hours, with 1,000 targets about 20 minutes; and
 * an agent must stay small whatever happens to its collector.
 */
export const MAX_UNACKNOWLEDGED_BYTES = 16 * 1024 * 1024

/** A collector that is there and cannot store leaves even empty batches unacknowledged, one every 2 s and more. */
const MAX_HELD_BATCHES = 20_000

type Held = { sequence: number; bytes: Uint8Array; windowCount: number }

const NOTHING = new Uint8Array()

const countOf = (windows: readonly MeshWindows[]): number =>
  windows.reduce((sum, { windows: together }) => sum + together.length, 0)

export const createUnacknowledgedBatches = ({ maxBytes }: { maxBytes: number }) => {
  let held: Held[] = []
  let nextSequence = 1
  let totalBytes = 0
  let droppedCount = 0
  /** Batches before this one in `held` are thrown away already: their numbers stay, so that no number is missing. */
  let emptied = 0

  const dropOldest = () => {
    while (totalBytes > maxBytes && emptied < held.length) {
      const oldest = held[emptied++]!
      totalBytes -= oldest.bytes.length
      droppedCount += oldest.windowCount
      oldest.bytes = NOTHING
      oldest.windowCount = 0
    }
    if (held.length <= MAX_HELD_BATCHES) return
    const { bytes, windowCount } = held.shift()!
    totalBytes -= bytes.length
    droppedCount += windowCount
    emptied = Math.max(0, emptied - 1)
  }

  return {
    add: (windows: MeshWindows[]): void => {
      const bytes = MeshBatch.encode(MeshBatch.create({ windows })).finish()
      held.push({ sequence: nextSequence++, bytes, windowCount: countOf(windows) })
      totalBytes += bytes.length
      dropOldest()
    },
    /** Every batch up to this one is kept safe by the caller. */
    acknowledge: (sequence: number): void => {
      const count = held.findIndex((batch) => batch.sequence > sequence)
      const gone = count === -1 ? held : held.slice(0, count)
      totalBytes -= gone.reduce((sum, { bytes }) => sum + bytes.length, 0)
      held = held.slice(gone.length)
      emptied = Math.max(0, emptied - gone.length)
    },
    /** The batch of this number, or the first one after it that is held; undefined when there is none. */
    from: (sequence: number): { sequence: number; windows: MeshWindows[] } | undefined => {
      const first = held[0]
      if (!first) return undefined
      const batch = held[Math.max(0, sequence - first.sequence)]
      return batch && { sequence: batch.sequence, windows: MeshBatch.decode(batch.bytes).windows }
    },
    droppedCount: (): number => droppedCount,
    bytes: (): number => totalBytes,
  }
}
