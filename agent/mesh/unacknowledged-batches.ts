/** Batches that the collector has not acknowledged yet, oldest first. They are kept encoded, which takes less memory. */

import { MeshBatch, type MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'

/**
 * Maximum size: over six hours with 48 targets and windows of 10 s, about 20 minutes with 1,000 targets. An agent must
 * stay small also while its collector is away.
 */
export const MAX_UNACKNOWLEDGED_BYTES = 16 * 1024 * 1024

/** Maximum number: a connected collector that cannot store leaves empty batches unacknowledged too, one every 2 s. */
const MAX_UNACKNOWLEDGED_BATCHES = 20_000

type EncodedBatch = { sequence: number; bytes: Uint8Array; windowCount: number }

const NO_BYTES = new Uint8Array()

const countOf = (windows: readonly MeshWindows[]): number =>
  windows.reduce((sum, { windows: together }) => sum + together.length, 0)

export const createUnacknowledgedBatches = ({ maxBytes }: { maxBytes: number }) => {
  let batches: EncodedBatch[] = []
  let nextSequence = 1
  let totalBytes = 0
  let droppedCount = 0
  /** The content of this many of the oldest batches is dropped. The batches stay, so that no number is missing. */
  let emptiedCount = 0

  const dropOldest = () => {
    while (totalBytes > maxBytes && emptiedCount < batches.length) {
      const oldest = batches[emptiedCount++]!
      totalBytes -= oldest.bytes.length
      droppedCount += oldest.windowCount
      oldest.bytes = NO_BYTES
      oldest.windowCount = 0
    }
    if (batches.length <= MAX_UNACKNOWLEDGED_BATCHES) return
    const { bytes, windowCount } = batches.shift()!
    totalBytes -= bytes.length
    droppedCount += windowCount
    emptiedCount = Math.max(0, emptiedCount - 1)
  }

  return {
    add: (windows: MeshWindows[]): void => {
      const bytes = MeshBatch.encode(MeshBatch.create({ windows })).finish()
      batches.push({ sequence: nextSequence++, bytes, windowCount: countOf(windows) })
      totalBytes += bytes.length
      dropOldest()
    },
    /** Removes every batch up to this number: the caller has stored them. */
    acknowledge: (sequence: number): void => {
      const count = batches.findIndex((batch) => batch.sequence > sequence)
      const removed = count === -1 ? batches : batches.slice(0, count)
      totalBytes -= removed.reduce((sum, { bytes }) => sum + bytes.length, 0)
      batches = batches.slice(removed.length)
      emptiedCount = Math.max(0, emptiedCount - removed.length)
    },
    /** Returns the batch of this number, or the first one after it; undefined when there is none. */
    from: (sequence: number): { sequence: number; windows: MeshWindows[] } | undefined => {
      const first = batches[0]
      if (!first) return undefined
      const batch = batches[Math.max(0, sequence - first.sequence)]
      return batch && { sequence: batch.sequence, windows: MeshBatch.decode(batch.bytes).windows }
    },
    /** Windows that were dropped because of the limits. */
    droppedCount: (): number => droppedCount,
    windowCount: (): number => batches.reduce((sum, { windowCount }) => sum + windowCount, 0),
    bytes: (): number => totalBytes,
  }
}
