import type { RandomSource } from '../world/random.ts'
import type { World } from '../world/world.ts'
import type { Tampering } from './lies.ts'

/** Whom a verdict may name because of a fault: by a verdict of the mesh or of a run, or by one of a run only. */
export type Accusable = 'always' | 'by runs' | 'never'

/** One fault as it is injected. */
export type Fault = {
  kind: string
  /** The nodes that have it. */
  nodes: readonly number[]
  accusable: Accusable
  /** A verdict must name one of the nodes within this time, when nothing else disturbs; undefined when it need not. */
  namedWithinSeconds: number | undefined
  /** Runs of these tests between this node and at least five others must name it. */
  namedByRuns?: readonly ('ping' | 'iperf')[]
  /** Whether the collector may be unable to name other faults while this one lasts. */
  disturbsJudging: boolean
  begin(): void
  end(): void | Promise<void>
}

/** What faults act on. */
export type FaultContext = Pick<World, 'agents' | 'fabric' | 'disk' | 'collector'> & {
  tampering: Tampering
  /** Starts the collector again after it has ended. */
  startCollector(): void
}

/** A kind of fault, with how long one lasts. */
export type FaultKind = {
  kind: string
  seconds: { least: number; most: number }
  create(context: FaultContext, random: RandomSource, node: number): Omit<Fault, 'kind'>
}

/** A fault of which nothing but its begin and its end is special. */
export const harmless = (
  nodes: readonly number[],
  begin: () => void,
  end: () => void | Promise<void>,
): Omit<Fault, 'kind'> => ({
  nodes,
  accusable: 'never',
  namedWithinSeconds: undefined,
  disturbsJudging: false,
  begin,
  end,
})
