import type { MeshBatch, MeshWindow, PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import type { RandomSource } from '../world/random.ts'

/** Windows that cannot be, made from a true one. A collector must take none of them. */
const LIES: readonly ((window: MeshWindow) => MeshWindow)[] = [
  (window) => ({ ...window, receivedCount: window.sentCount + 1 }),
  (window) => ({ ...window, sentCount: 0, receivedCount: 2 ** 32 - 1 }),
  (window) => ({ ...window, rttSum: toDuration(-1) }),
  (window) => ({ ...window, rttSum: { seconds: 2 ** 52, nanos: 0 } }),
  (window) => ({ ...window, rttMax: { seconds: 2 ** 40, nanos: 0 } }),
  (window) => ({ ...window, histogramCounts: [2 ** 32 - 1] }),
  (window) => ({ ...window, rttMin: toDuration(5), rttMax: toDuration(1) }),
  (window) => ({ ...window, jitter: toDuration(-0.5) }),
  (window) => ({ ...window, histogramOffset: 2 ** 30 }),
  (window) => ({ ...window, targetId: 2 ** 24 - 1 }),
]

const withLies = (batch: MeshBatch, random: RandomSource): MeshBatch => {
  const groups = batch.windows.map((group) => {
    const lies = group.windows.map((window) => random.pick(LIES)(window))
    // The false ones come first: the store keeps the first window of a path for each start.
    return { ...group, windows: [...lies, ...group.windows] }
  })
  const backwards = batch.windows.slice(0, 1).map((group) => ({
    ...group,
    startTime: group.endTime,
    endTime: { seconds: (group.startTime?.seconds ?? 0) - 3600, nanos: 0 },
  }))
  return { ...batch, windows: [...backwards, ...groups] }
}

/** What becomes of the messages of the mesh that faulty agents and networks send. */
export const createTampering = (random: RandomSource) => {
  const liars = new Set<string>()
  const repeaters = new Set<string>()
  return {
    liars,
    repeaters,
    /** The messages that arrive in place of one. */
    tamper: (node: string, message: unknown): readonly unknown[] => {
      const { event } = message as PingMeshResponse
      if (event?.$case !== 'batch') return [message]
      const sent = liars.has(node) ? { event: { ...event, value: withLies(event.value, random) } } : message
      return repeaters.has(node) ? [sent, sent] : [sent]
    },
  }
}

export type Tampering = ReturnType<typeof createTampering>
