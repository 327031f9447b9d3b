/** How many ICMP echo requests each node's kernel had received, at times of the last two minutes. */

/** Batches come more often while much is lost; one sample a second says all. */
const SPACING_MS = 950
const MAX_SAMPLES = 128

type Sample = { timeMs: number; count: number }

export const createEchoCounts = () => {
  const nodes = new Map<string, Sample[]>()
  return {
    add: (node: string, timeMs: number, count: number): void => {
      const samples = nodes.get(node) ?? []
      nodes.set(node, samples)
      const last = samples.at(-1)
      // The node has started anew, or a clock was set back: what was before cannot be compared.
      if (last && (count < last.count || timeMs < last.timeMs)) samples.length = 0
      else if (last && timeMs - last.timeMs < SPACING_MS) return
      samples.push({ timeMs, count })
      if (samples.length > MAX_SAMPLES) samples.shift()
    },
    forget: (node: string): void => {
      nodes.delete(node)
    },
    /** What came between the first and the last sample within a time; undefined when there are not two. */
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
