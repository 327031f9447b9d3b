import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import { Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { verdictOf } from '../../collector/diagnosis/verdict-message.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import { createMeshSpec, type MeshSpec } from '../../collector/mesh/assign/mesh-spec.ts'
import { createIperfTest, createPingTest, createRunSpec } from '../../collector/plan/effective-run-spec.ts'
import type { RunSpec } from '../../collector/plan/run-spec.ts'
import type { Run } from '../../collector/store/run.ts'
import { createWorld, type WorldOptions } from './world/world.ts'

const mesh = Topology.fromPartial({ kind: TopologyKind.TOPOLOGY_KIND_MESH })

/** An iperf between all nodes on net0. */
export const iperfMesh = createRunSpec({
  topology: mesh,
  test: createIperfTest(),
  interfaces: ['net0'],
})

export const pingMesh = (count: number): RunSpec =>
  createRunSpec({
    topology: mesh,
    test: createPingTest({ count, intervalSeconds: 0.01 }),
  })

/** The longest that a test may take in simulated time. */
const LONGEST_SECONDS = 4 * 3600

type Options = Omit<WorldOptions, 'seed'> & { mesh?: Partial<MeshSpec> | false }

/** A world with what tests do in it: runs that are followed to their end, and events of the mesh. */
const createHarness = ({ mesh: given, ...options }: Options) => {
  const world = createWorld({ seed: 1, ...options })
  const { clock, collector } = world
  const spec = given === false ? undefined : createMeshSpec({ interfaces: ['net0'], ...given })
  const events: MeshEvent[] = []
  const watchEvents = async () => {
    for await (const event of collector.parts().meshes.watch('', new AbortController().signal))
      events.push(event)
  }
  const startCollector = (): void => {
    collector.start()
    if (spec) collector.parts().meshes.set('always', spec)
    void watchEvents()
  }
  for (const agent of world.agents) agent.start()
  startCollector()
  const get = () => collector.parts().meshes.get()
  return {
    ...world,
    /** Events of the mesh as a watcher got them. */
    events,
    startCollector,
    mesh: () => get().meshes[0]!,
    verdicts: () => get().verdicts.map(verdictOf),
    /** Waits until something holds; throws when that takes far too long. */
    until: async (what: string, holds: () => boolean, seconds = 120): Promise<void> => {
      const endSeconds = world.time.seconds() + seconds
      while (!holds()) {
        if (world.time.seconds() > endSeconds) throw new Error(`not within ${seconds} s: ${what}`)
        await clock.sleep(0.5)
      }
    },
    /** Starts a run, and follows it to its end. */
    run: async (asked: RunSpec): Promise<{ run: Run; watched: PairResult[] }> => {
      const { runs } = collector.parts()
      let run = await runs.create(asked)
      const watched: PairResult[] = []
      for await (const step of runs.watch(run.id, new AbortController().signal)) {
        watched.push(...step.results)
        run = step.run
      }
      return { run, watched }
    },
    results: (run: Run): PairResult[] => collector.parts().store.allResults(run.id),
  }
}

export type Harness = ReturnType<typeof createHarness>

/** Runs a test in virtual time, from the start of its world to its end. */
export const inWorld = async (options: Options, test: (harness: Harness) => Promise<void>): Promise<void> => {
  const harness = createHarness(options)
  try {
    await harness.time.run(test(harness), LONGEST_SECONDS)
    if (harness.bugs.length > 0) throw new Error(harness.bugs.join('\n'))
  } finally {
    harness.destroy()
  }
}
