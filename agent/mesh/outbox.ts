import type { MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { createUnacknowledgedBatches, MAX_UNACKNOWLEDGED_BYTES } from './unacknowledged-batches.ts'

/** Windows that wait for a stream become a batch at this number; while a stream is open, they become one immediately. */
const BATCH_WINDOWS = 2000

const startSeconds = ({ startTime }: MeshWindows): number =>
  startTime ? startTime.seconds + startTime.nanos / 1e9 : 0

/** Collects the windows of a session into batches, which stay until the collector acknowledges them. */
export const createOutbox = () => {
  const batches = createUnacknowledgedBatches({ maxBytes: MAX_UNACKNOWLEDGED_BYTES })
  let waiting: MeshWindows[] = []
  let waitingCount = 0
  let listener: (() => void) | undefined

  const seal = () => {
    if (waiting.length === 0) return
    batches.add(waiting.sort((a, b) => startSeconds(a) - startSeconds(b)))
    waiting = []
    waitingCount = 0
  }
  return {
    put: (windows: readonly MeshWindows[]): void => {
      if (windows.length === 0) return
      waiting.push(...windows)
      for (const together of windows) waitingCount += together.windows.length
      if (waitingCount >= BATCH_WINDOWS) seal()
      listener?.()
    },
    /** Makes one batch of the windows that wait. When there are none, makes an empty batch if `evenEmpty`. */
    seal: (evenEmpty: boolean): void => {
      if (waiting.length > 0) seal()
      else if (evenEmpty) batches.add([])
    },
    /** Calls the listener: there may be a batch to send. */
    notify: (): void => listener?.(),
    /** Sets the listener; undefined removes it. */
    listen: (next: (() => void) | undefined): void => {
      listener = next
    },
    batchFrom: batches.from,
    acknowledge: batches.acknowledge,
    droppedCount: batches.droppedCount,
    heldWindowCount: (): number => batches.windowCount() + waitingCount,
  }
}
