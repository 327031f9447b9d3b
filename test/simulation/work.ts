import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import { runStateToJSON, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import { createIperfTest, createPingTest, createRunSpec } from '../../collector/plan/effective-run-spec.ts'
import type { RunSpec } from '../../collector/plan/run-spec.ts'
import type { Run } from '../../collector/store/run.ts'
import { trafficSpecOf } from '../../collector/traffic/assign/traffic-spec-message.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { EndedRun } from './checkers/results.ts'
import type { Trace } from './trace.ts'
import type { RandomSource } from './world/random.ts'
import type { World } from './world/world.ts'

/** Pause between the begins of two pieces of work. */
const PAUSE_SECONDS = { least: 15, most: 90 }
/** Nodes that take part in a run or in traffic. */
const NODES = { least: 2, most: 8 }
const CANCEL_RATIO = 0.2
/** Share of the runs that measure a node with a fault, while there is one that they must name. */
const AROUND_RATIO = 0.8
const TRAFFIC_SECONDS = { least: 10, most: 120 }
const LONGEST_WORK_SECONDS = 900

type Deps = {
  world: World
  random: RandomSource
  trace: Trace
  /** Called with each run that has ended before its collector. */
  onRun: (ended: EndedRun) => void
  /** Nodes with a fault that a run of this test must name. */
  nameable: (test: 'ping' | 'iperf') => readonly number[]
}

const KINDS = [
  TopologyKind.TOPOLOGY_KIND_RING,
  TopologyKind.TOPOLOGY_KIND_MESH,
  TopologyKind.TOPOLOGY_KIND_SHIFTS,
]

const topologyOf = (world: World, random: RandomSource) =>
  Topology.fromPartial({
    kind: random.pick(KINDS),
    nodes: random.sample(world.agents, random.integer(NODES.least, NODES.most)).map(({ name }) => name),
    seed: random.integer(0, 1000),
  })

/** A mesh of a node and others: enough to name it. */
const meshAround = (world: World, random: RandomSource, node: number) => {
  const others = world.agents.filter((agent) => agent.node !== node)
  const nodes = [world.agents[node]!, ...random.sample(others, NODES.most - 1)]
  return Topology.fromPartial({
    kind: TopologyKind.TOPOLOGY_KIND_MESH,
    nodes: nodes.map(({ name }) => name),
  })
}

const runSpecOf = ({ world, random, nameable }: Deps): RunSpec => {
  const kind = random.chance(0.5) ? 'ping' : 'iperf'
  const bad = nameable(kind)
  const isAround = bad.length > 0 && random.chance(AROUND_RATIO)
  return createRunSpec({
    topology: isAround ? meshAround(world, random, random.pick(bad)) : topologyOf(world, random),
    test:
      kind === 'ping'
        ? createPingTest({ count: random.integer(3, 20), intervalSeconds: 0.1 })
        : createIperfTest({ durationSeconds: random.integer(1, 5) }),
  })
}

/** What a collector refuses on purpose: busy interfaces, a full store, a collector that shuts down. */
const isRefusal = (error: unknown): boolean => error instanceof OperatingError

/** Creates runs and traffic at random, cancels some, and follows each to its end. */
export const keepWorking = async (deps: Deps, endSeconds: number): Promise<void> => {
  const { world, random, trace } = deps
  const { clock, time, collector } = world
  const running = new Set<Promise<void>>()
  const isUp = () => collector.isRunning() && !collector.clock().isStopped()

  const follow = async (run: Run, startSeconds: number): Promise<void> => {
    const { runs } = collector.parts()
    const watched: PairResult[] = []
    let last = run
    let isWatched = false
    for await (const step of runs.watch(run.id, new AbortController().signal)) {
      watched.push(...step.results)
      isWatched ||= step.run.endTime === undefined
      last = step.run
    }
    trace.say(`a run has ended: ${runStateToJSON(last.state)}, ${watched.length} results`)
    deps.onRun({ run: last, watched: isWatched ? watched : undefined, startSeconds })
  }
  const measure = async (): Promise<void> => {
    const spec = runSpecOf(deps)
    const isCancelled = random.chance(CANCEL_RATIO)
    const cancelAfter = random.between(0, 10)
    const startSeconds = time.seconds()
    const { runs } = collector.parts()
    const run = await runs.create(spec)
    trace.note(run.id)
    trace.say(`a run of ${spec.test.kind} begins: ${run.plan.pairCount} pairs`)
    if (isCancelled) {
      void clock.sleep(cancelAfter).then(() => {
        try {
          if (isUp()) collector.parts().runs.cancel(run.id)
        } catch (error) {
          if (!isRefusal(error)) throw error
        }
      })
    }
    await follow(run, startSeconds)
  }
  const load = async (): Promise<void> => {
    const { traffics } = collector.parts()
    const traffic = await traffics.start(
      trafficSpecOf(
        TrafficSpec.fromPartial({
          topology: topologyOf(world, random),
          options: IperfOptions.fromPartial({ bitsPerSecond: 1_000_000 }),
        }),
      ),
    )
    trace.say(`traffic begins: ${traffic.flowCount} flows`)
    await clock.sleep(random.between(TRAFFIC_SECONDS.least, TRAFFIC_SECONDS.most))
    const stopped = await traffics.stop(traffic.id)
    trace.say(`traffic has ended${stopped.reason && `: ${stopped.reason}`}`)
  }
  /** Resolves when this collector has ended: a killed collector answers no call. */
  const untilGone = async (): Promise<void> => {
    const own = collector.parts()
    const endSeconds = time.seconds() + LONGEST_WORK_SECONDS
    while (time.seconds() < endSeconds && collector.isRunning() && collector.parts() === own)
      await clock.sleep(1)
  }
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    await Promise.race([work(), untilGone()]).catch((error: unknown) => {
      if (!isRefusal(error)) throw error
      trace.say(`refused: ${(error as OperatingError).reason}`)
    })
  }

  while (time.seconds() < endSeconds) {
    await clock.sleep(random.between(PAUSE_SECONDS.least, PAUSE_SECONDS.most))
    if (!isUp()) continue
    const work = attempt(random.chance(0.75) ? measure : load)
    running.add(work)
    void work.finally(() => running.delete(work))
  }
  await Promise.all(running)
}
