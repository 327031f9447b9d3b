import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Checker } from './checker.ts'

/** One thing that must stay small, such as the length of a queue. */
export type Gauge = { name: string; value(): number; most: number }

/** How much larger the heap may be at the end than in the middle: caches that fill, and results of the last minutes. */
const MAX_GROWTH_RATIO = 0.25
const MAX_GROWTH_BYTES = 32 * 1024 * 1024
/**
 * What a simulated process that was killed leaves in this one, for each node of the fleet: Node keeps composite abort
 * signals that have listeners, and a killed process removes none.
 */
const KILLED_BYTES_PER_NODE = 160 * 1024

/** Collects all garbage and gives what is left in bytes. */
const usedHeapBytes = (): number => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

/** Memory is bounded: every queue stays within its bound, and the heap does not grow from the middle to the end. */
export const createMemoryChecker = (
  gauges: readonly Gauge[],
  {
    progress,
    killedNodes,
  }: {
    progress: () => number /** Sum of the nodes that killed processes knew. */
    killedNodes: () => number
  },
): Checker => {
  let middleBytes: number | undefined
  return {
    name: 'memory',
    check: () => {
      if (middleBytes === undefined && progress() >= 0.5) middleBytes = usedHeapBytes()
      return gauges.flatMap(({ name, value, most }) => {
        const found = value()
        return found > most ? [`${name}: ${found}, and at most ${most} are expected`] : []
      })
    },
    finish: () => {
      const bytes = usedHeapBytes()
      const left = KILLED_BYTES_PER_NODE * killedNodes()
      const allowed = (middleBytes ?? bytes) * (1 + MAX_GROWTH_RATIO) + MAX_GROWTH_BYTES + left
      if (bytes <= allowed) return []
      const megabytes = (value: number) => `${Math.round(value / 1e6)} MB`
      return [`the heap grew from ${megabytes(middleBytes!)} in the middle to ${megabytes(bytes)} at the end`]
    },
  }
}
