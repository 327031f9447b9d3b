import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createLogger } from '../../../lib/logging.ts'
import { createFakeClock, type FakeClock } from '../../../lib/testing/fake-clock.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { createNode, type FleetNode } from '../../inventory/node.ts'
import type { MeshSpec } from '../../mesh/assign/mesh-spec.ts'
import type { RequestedRunSpec } from '../../plan/run-spec.ts'
import { prepareRun } from '../../runs/prepare.ts'
import type { RunUpdate } from '../../runs/watchers.ts'
import type { Run } from '../../store/run.ts'
import { sampleRun } from '../../store/testing/samples.ts'
import { CoverageLedger } from '../coverage/coverage-ledger.ts'
import type { ConfiguredSchedule } from '../define/default-schedules.ts'
import { Schedules, type SchedulesDeps } from '../schedules.ts'
import { createMemoryStore } from './memory-store.ts'

const nodeOf = (name: string): FleetNode => createNode({ name, state: 'ready', interfaces: ['net0', 'net1'] })

/** How the simulated fleet and runs behave. A test may change this at any time. */
type Behaviour = {
  /** How long a run takes. */
  runSeconds: number
  /** The state in which a run ends. */
  runState: RunState
  /** The results that each run reports. */
  results: PairResult[]
  /** The error with which the creation of a run fails. */
  failure: Error | undefined
  /** When set, only runs on this interface fail. */
  failingInterface: string | undefined
  refreshSeconds: number
}

type Created = { at: string; spec: RequestedRunSpec }

const createFakeRuns = (
  { clock }: FakeClock,
  behaviour: Behaviour,
  { nodes, created }: { nodes: readonly FleetNode[]; created: Created[] },
): SchedulesDeps['runs'] => {
  const runs = new Map<string, Run>()
  return {
    plan: async (spec) => prepareRun(spec, nodes),
    create: async (spec) => {
      const { failure, failingInterface } = behaviour
      if (failure && (failingInterface === undefined || spec.interfaces.includes(failingInterface)))
        throw failure
      created.push({ at: clock.now().toISOString(), spec })
      const run = sampleRun({ id: `run-${created.length}`, state: RunState.RUN_STATE_RUNNING })
      runs.set(run.id, run)
      return run
    },
    async *watch(id, signal): AsyncGenerator<RunUpdate> {
      const run = runs.get(id)!
      yield { run, results: [] }
      await clock.sleep(behaviour.runSeconds, signal)
      yield { run: { ...run, state: behaviour.runState }, results: behaviour.results }
    },
  }
}

/** Schedules with a fake clock, fleet, store and runs. */
export const createHarness = (start: string, names: readonly string[] = ['a', 'b', 'c', 'd']) => {
  const fakeClock = createFakeClock(Date.parse(start))
  const { clock } = fakeClock
  const store = createMemoryStore()
  const nodes = names.map(nodeOf)
  /** The runs that were created, and when. */
  const created: Created[] = []
  /** The meshes that are active now. */
  const meshes = new Map<string, MeshSpec>()
  const observed = { missed: 0, starts: 0, skipped: [] as string[], schedules: new Set<string>() }
  const behaviour: Behaviour = {
    runSeconds: 1,
    runState: RunState.RUN_STATE_COMPLETED,
    results: [],
    failure: undefined,
    failingInterface: undefined,
    refreshSeconds: 0,
  }
  const refresh = async () => {
    if (behaviour.refreshSeconds > 0) await clock.sleep(behaviour.refreshSeconds)
  }
  const observer: SchedulesDeps['observer'] = {
    observeStart: () => observed.starts++,
    observeMissed: (_, count) => {
      observed.missed += count
    },
    observeSkipped: (_, reason) => observed.skipped.push(reason),
    observeTimes: (name) => observed.schedules.add(name),
    observeCoverage: () => undefined,
    observeBudget: () => undefined,
    forget: (name) => observed.schedules.delete(name),
  }
  const yieldIfDue = async () => undefined
  /** The schedules of a collector that starts now. */
  const open = (configured: readonly ConfiguredSchedule[] = []): Schedules =>
    new Schedules(
      {
        clock,
        logger: createLogger('test', 'silent'),
        runs: createFakeRuns(fakeClock, behaviour, { nodes, created }),
        fleet: { nodes: () => nodes, settled: Promise.resolve(), refresh },
        ledger: new CoverageLedger({ clock, store, yieldIfDue }),
        profiles: new Map(),
        yieldIfDue,
        documents: store,
        meshes: {
          set: (name, spec) => {
            if (spec) meshes.set(name, spec)
            else meshes.delete(name)
          },
        },
        observer,
      },
      configured,
    )
  return {
    ...fakeClock,
    store,
    nodes,
    created,
    meshes,
    observed,
    behaviour,
    open,
    /** When runs were created. */
    starts: () => created.map(({ at }) => at),
  }
}
