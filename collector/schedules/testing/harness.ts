import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { Run, type RunSpec, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { createLogger } from '../../../lib/logging.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { prepareRun } from '../../runs/prepare.ts'
import type { RunUpdate } from '../../runs/watchers.ts'
import type { CoverageStore, DocumentStore } from '../../store/windows.ts'
import type { ConfiguredSchedule } from '../defaults.ts'
import { createLedger } from '../ledger.ts'
import { createSchedules, type Schedules } from '../schedules.ts'
import { createFakeClock } from './fake-clock.ts'

/** Documents in memory, which outlive the schedules that a test kills. */
export const createMemoryStore = (): DocumentStore & CoverageStore & { full: boolean } => {
  const all = new Map<string, Map<string, Uint8Array>>()
  const documents = (kind: string) => {
    const known = all.get(kind) ?? new Map<string, Uint8Array>()
    all.set(kind, known)
    return known
  }
  return {
    full: false,
    putDocuments(given) {
      if (this.full) throw new OperatingError('STORE_UNAVAILABLE', 'the disk is full')
      for (const { kind, name, body } of given) documents(kind).set(name, body)
    },
    deleteDocument(kind, name) {
      if (this.full) throw new OperatingError('STORE_UNAVAILABLE', 'the disk is full')
      documents(kind).delete(name)
    },
    documents: (kind) => new Map(documents(kind)),
    identity: () => 'test',
    coverage: () => [],
    putCoverage: () => undefined,
  }
}

const nodeOf = (name: string): Node =>
  Node.fromPartial({ name, state: NodeState.NODE_STATE_READY, interfaces: ['net0', 'net1'] })

/** Everything around schedules made up: a clock, a fleet, and runs that last as long as a test says. */
export const createStage = (start: string, names: readonly string[] = ['a', 'b', 'c', 'd']) => {
  const fake = createFakeClock(Date.parse(start))
  const store = createMemoryStore()
  const nodes = names.map(nodeOf)
  const created: { at: string; spec: RunSpec }[] = []
  const meshes = new Map<string, MeshSpec>()
  const counts = { missed: 0, starts: 0, skipped: [] as string[], shown: new Set<string>() }
  const behaviour = {
    seconds: 1,
    state: RunState.RUN_STATE_COMPLETED as RunState,
    failure: undefined as Error | undefined,
    /** Of runs on this interface only; of all without one. */
    failsOn: undefined as string | undefined,
    refreshSeconds: 0,
    results: [] as PairResult[],
  }
  const refresh = async () => {
    if (behaviour.refreshSeconds > 0) await fake.clock.sleep(behaviour.refreshSeconds)
  }
  const live = new Map<string, Run>()
  const runs = {
    plan: async (spec: RunSpec) => prepareRun(spec, nodes),
    create: async (spec: RunSpec): Promise<Run> => {
      const { failure, failsOn } = behaviour
      if (failure && (failsOn === undefined || spec.interfaces.includes(failsOn))) throw failure
      created.push({ at: fake.clock.now().toISOString(), spec })
      const run = Run.fromPartial({ id: `run-${created.length}`, spec, state: RunState.RUN_STATE_RUNNING })
      live.set(run.id, run)
      return run
    },
    async *watch(id: string, signal: AbortSignal): AsyncGenerator<RunUpdate> {
      yield { run: live.get(id)!, results: [] }
      await fake.clock.sleep(behaviour.seconds, signal)
      yield { run: { ...live.get(id)!, state: behaviour.state }, results: behaviour.results }
    },
  }
  const open = (own: readonly ConfiguredSchedule[] = []): Schedules =>
    createSchedules(
      {
        clock: fake.clock,
        logger: createLogger('test', 'silent'),
        runs,
        fleet: { nodes: () => nodes, settled: Promise.resolve(), refresh },
        ledger: createLedger({ clock: fake.clock, store, breathe: async () => undefined }),
        profiles: new Map(),
        breathe: async () => undefined,
        documents: store,
        meshes: {
          set: (name, spec) => {
            if (spec) meshes.set(name, spec)
            else meshes.delete(name)
          },
        },
        observer: {
          observeStart: () => counts.starts++,
          observeMissed: (_, count) => {
            counts.missed += count
          },
          observeSkipped: (_, reason) => counts.skipped.push(reason),
          observeTimes: (name) => counts.shown.add(name),
          observeCoverage: () => undefined,
          observeStanding: () => undefined,
          forget: (name) => counts.shown.delete(name),
        },
      },
      own,
    )
  return {
    ...fake,
    store,
    nodes,
    created,
    meshes,
    counts,
    behaviour,
    open,
    /** When runs were made. */
    starts: () => created.map(({ at }) => at),
    seconds: (duration: { seconds: number; nanos: number } | undefined) => fromDuration(duration),
  }
}
