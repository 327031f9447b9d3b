/** Minimum time between two samples of a node. Batches arrive more often while probes are lost. */
const SPACING_MS = 950
/** Two minutes of samples per node. */
const MAX_SAMPLES = 128

type Sample = { timeMs: number; count: number }

/** Returns the history of each node's kernel counter of received ICMP echo requests, over the last two minutes. */
export const createEchoCounts = () => {
  const nodes = new Map<string, Sample[]>()
  return {
    /** Adds a counter value at a mesh time. */
    add: (node: string, timeMs: number, count: number): void => {
      const samples = nodes.get(node) ?? []
      nodes.set(node, samples)
      const last = samples.at(-1)
      // After a reboot of the node or a step of a clock, earlier samples cannot be compared.
      if (last && (count < last.count || timeMs < last.timeMs)) samples.length = 0
      else if (last && timeMs - last.timeMs < SPACING_MS) return
      samples.push({ timeMs, count })
      if (samples.length > MAX_SAMPLES) samples.shift()
    },
    forget: (node: string): void => {
      nodes.delete(node)
    },
    /** Returns the increase between the first and the last sample within a time; undefined with fewer than two. */
    between: (
      node: string,
      fromMs: number,
      toMs: number,
    ): { fromMs: number; toMs: number; count: number } | undefined => {
      const samples = nodes.get(node) ?? []
      const first = samples.find(({ timeMs }) => timeMs >= fromMs)
      const last = samples.findLast(({ timeMs }) => timeMs <= toMs)
      if (!first || !last || last.timeMs <= first.timeMs) return undefined
      return { fromMs: first.timeMs, toMs: last.timeMs, count: last.count - first.count }
    },
  }
}

export type EchoCounts = ReturnType<typeof createEchoCounts>
