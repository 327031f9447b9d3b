import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'

/**
 * Collects what the flows of a stream report between two messages.
 * @param everySample keeps every sample, which a bounded test needs. Otherwise the samples of a flow are merged, so that
 * the memory is bounded by the number of flows, however slowly the caller reads
 */
export const createFlowUpdates = ({ everySample }: { everySample: boolean }) => {
  let samples: IperfSample[] = []
  let merged = new Map<number, IperfSample>()
  let changes = new Map<string, FlowChange>()
  return {
    sample(sample: IperfSample): void {
      if (everySample) {
        samples.push(sample)
        return
      }
      const before = merged.get(sample.flowIndex)
      // No bytes are lost; of two rates the newer one is sent.
      merged.set(sample.flowIndex, before ? { ...sample, bytes: sample.bytes + before.bytes } : sample)
    },
    /** Keeps the last change to running and the last one to not running, in the order of their arrival. */
    change(change: FlowChange): void {
      const key = `${change.flowIndex} ${change.running}`
      changes.delete(key)
      changes.set(key, change)
    },
    /** Returns what was collected since the last call. */
    take() {
      const taken = { samples: [...samples, ...merged.values()], changes: [...changes.values()] }
      samples = []
      merged = new Map()
      changes = new Map()
      return taken
    },
  }
}

export type FlowUpdates = ReturnType<typeof createFlowUpdates>
