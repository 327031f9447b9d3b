import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { IperfTest, PingTest, RunSpec, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { Coverage } from '#proto/meshgauge/collector/v1/schedule.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { isReady } from '../inventory/selectors.ts'
import { reviewRun } from '../runs/prepare.ts'
import { type CoverageFigures, NO_PAIR } from './due.ts'
import type { Ledger } from './ledger.ts'

/**
 * The pairs of a topology on its interfaces, and when each was last measured: pair p on interface i is at
 * i x sources.length + p of `lasts`.
 */
export type Scope = {
  nodes: readonly Node[]
  interfaces: readonly string[]
  sources: Int32Array
  destinations: Int32Array
  lasts: Uint32Array
}

/** A run's RunSpec and plan hold its pairs: more of them become several runs, one after the other. */
const MOST_PAIRS_OF_A_RUN = 10_000

/**
 * What an objective of coverage is about.
 * @throws OperatingError SPEC_INVALID when the run cannot be on this fleet
 */
export const scopeOf = async (ledger: Ledger, run: RunSpec, fleet: readonly Node[]): Promise<Scope> => {
  const { chosen, names: interfaces, violations } = reviewRun(run, fleet)
  throwIfInvalid('the run', violations)
  const { nodes, pairs } = chosen
  const count = pairs.sources.length
  const lasts = new Uint32Array(interfaces.length * count)
  const names = nodes.map(({ name }) => name)
  for (const [index, name] of interfaces.entries()) {
    const own = await ledger.lasts(run.test?.$case ?? '', name, { names, ...pairs })
    const has = nodes.map((node) => node.interfaces.includes(name))
    for (let pair = 0; pair < count; pair++) {
      const there = has[pairs.sources[pair]!]! && has[pairs.destinations[pair]!]!
      lasts[index * count + pair] = there ? own[pair]! : NO_PAIR
    }
  }
  return { nodes, interfaces, ...pairs, lasts }
}

/** The same, without pairs that cannot be measured now because an agent is silent. */
export const measurable = ({ nodes, sources, destinations, lasts }: Scope): Uint32Array => {
  const ready = nodes.map(isReady)
  const count = sources.length
  return lasts.map((last, place) => {
    const pair = place % count
    return ready[sources[pair]!]! && ready[destinations[pair]!]! ? last : NO_PAIR
  })
}

/** What one pair costs, and whether its bytes go both ways. */
export type PairCost = { seconds: number; bytes: number; bothWays: boolean }

/**
 * As many of the places as the rest of a budget allows, in their order: bytes of all together, and the time in which any
 * one interface is busy.
 */
export const withinBudget = (
  scope: Scope,
  places: Int32Array,
  cost: PairCost,
  left: { bytes: number; busySeconds: number },
): number[] => {
  const count = scope.sources.length
  const nodeCount = scope.nodes.length
  const most = Math.floor(left.busySeconds / cost.seconds)
  const out = new Uint32Array(nodeCount * scope.interfaces.length)
  const into = cost.bothWays ? out : new Uint32Array(out.length)
  const taken: number[] = []
  let { bytes } = left
  for (const place of places) {
    const from = Math.floor(place / count) * nodeCount + scope.sources[place % count]!
    const to = Math.floor(place / count) * nodeCount + scope.destinations[place % count]!
    if (out[from]! >= most || into[to]! >= most) continue
    if (cost.bytes > bytes) break
    bytes -= cost.bytes
    out[from]!++
    into[to]!++
    taken.push(place)
  }
  return taken
}

/** Runs of the places: by interface, one after the other. */
export const runsOf = (run: RunSpec, scope: Scope, places: readonly number[]): RunSpec[] => {
  const count = scope.sources.length
  return scope.interfaces.flatMap((name, index) => {
    const pairs = places
      .filter((place) => Math.floor(place / count) === index)
      .map((place) => ({
        source: scope.nodes[scope.sources[place % count]!]!.name,
        destination: scope.nodes[scope.destinations[place % count]!]!.name,
      }))
    const parts = Math.ceil(pairs.length / MOST_PAIRS_OF_A_RUN)
    return Array.from(
      { length: parts },
      (_, part): RunSpec => ({
        ...run,
        interfaces: [name],
        topology: Topology.fromPartial({
          kind: TopologyKind.TOPOLOGY_KIND_PAIRS,
          pairs: pairs.slice(part * MOST_PAIRS_OF_A_RUN, (part + 1) * MOST_PAIRS_OF_A_RUN),
        }),
      }),
    )
  })
}

/** All pairs of the fleet, on one interface or on all. */
export const fullMesh = (test: 'ping' | 'iperf', name: string): RunSpec =>
  RunSpec.fromPartial({
    topology: Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_MESH }),
    test:
      test === 'ping'
        ? { $case: 'ping', value: PingTest.fromPartial({}) }
        : { $case: 'iperf', value: IperfTest.fromPartial({}) },
    interfaces: name === '' ? [] : [name],
  })

export const coverageMessage = (figures: CoverageFigures, nowSeconds: number): Coverage => ({
  pairCount: figures.pairCount,
  coveredCount: figures.coveredCount,
  overdueCount: figures.overdueCount,
  neverCount: figures.neverCount,
  oldestAge:
    figures.oldestSeconds === undefined
      ? undefined
      : toDuration(Math.max(0, nowSeconds - figures.oldestSeconds)),
})
