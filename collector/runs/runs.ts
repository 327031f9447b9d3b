import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Plan, type Run, type RunSpec, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { PreparedRun } from '../dispatch/prepared-run.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { type ActiveRun, interfacesOf, type RunDeps, startRun } from './active-run.ts'
import { createInterfaceQueue } from './interface-queue.ts'
import { prepareRun } from './prepare.ts'
import type { TrafficInterfaces } from './traffic-interfaces.ts'
import { uuidv7 } from './uuid.ts'

/** Runs that wait or measure at the same time. Each costs memory for all of its pairs. */
const MAX_ACTIVE_RUNS = 64

export type Step = { run: Run; results: PairResult[] }

export type RunsDeps = Omit<RunDeps, 'queue' | 'connection'> & {
  traffic: Pick<TrafficInterfaces, 'on'>
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'refresh'>
}

/** Every run of this collector: those that wait or measure, and through the store those that have ended. */
export const createRuns = (deps: RunsDeps) => {
  const active = new Map<string, ActiveRun>()
  /** What each active run has to itself, or waits for. */
  const wanted = new Map<string, ReadonlySet<string>>()
  const queue = createInterfaceQueue()
  let draining = false

  const find = (id: string): Run => {
    const stored = deps.store.getRun(id)
    return active.get(stored.id)?.run() ?? stored
  }

  return {
    /** @throws OperatingError SPEC_INVALID with everything that is wrong */
    async plan(spec: RunSpec) {
      await deps.fleet.refresh()
      return prepareRun(spec, deps.fleet.nodes())
    },

    /**
     * @throws OperatingError SPEC_INVALID, INTERFACES_BUSY, STORE_UNAVAILABLE, LIMIT_EXCEEDED, COLLECTOR_DRAINING; then
     * nothing has begun
     */
    async create(spec: RunSpec): Promise<Run> {
      await deps.fleet.refresh()
      if (draining) throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
      if (active.size >= MAX_ACTIVE_RUNS) {
        throw new OperatingError(
          'LIMIT_EXCEEDED',
          `${active.size} runs wait or measure already; cancel some, or wait`,
        )
      }
      const nodes = deps.fleet.nodes()
      const prepared = prepareRun(spec, nodes)
      const interfaces = interfacesOf(prepared)
      throwIfTraffic(deps.traffic, spec, interfaces)
      const now = deps.clock.now()
      const run = {
        ...newRun(uuidv7(now), spec, prepared.message, now),
        nodeMetadata: metadataOf(prepared, nodes),
      }
      const racks = new Map(nodes.flatMap(({ name, rack }) => (rack ? [[name, rack] as const] : [])))
      const begun = startRun({ ...deps, connection: deps.fleet.connection, queue }, run, prepared, racks)
      active.set(run.id, begun)
      wanted.set(run.id, interfaces)
      deps.observer.observeActive(active.size)
      void begun.done.finally(() => {
        active.delete(run.id)
        wanted.delete(run.id)
        deps.observer.observeActive(active.size)
      })
      // A run that need not wait has begun by then, and is not shown as one that waits.
      await deps.clock.yield()
      return begun.run()
    },

    get: find,

    list(page: { size: number; token: string }) {
      const { runs, nextPageToken } = deps.store.listRuns(page)
      return { runs: runs.map((run) => withoutMetadata(active.get(run.id)?.run() ?? run)), nextPageToken }
    },

    /** @throws OperatingError NOT_FOUND, RUN_NOT_ACTIVE */
    cancel(id: string): Run {
      const run = find(id)
      const begun = active.get(run.id)
      if (!begun) throw new OperatingError('RUN_NOT_ACTIVE', `run ${run.id} has ended already`)
      begun.cancel()
      return begun.run()
    },

    /** The run as it is, then each step; ends with the run. */
    async *watch(id: string, signal: AbortSignal): AsyncGenerator<Step> {
      const run = find(id)
      const begun = active.get(run.id)
      const steps = begun ? begun.watch(signal) : [{ run, results: [] }]
      for await (const step of steps) yield { ...step, run: withoutMetadata(step.run) }
    },

    /** Runs that wait for interfaces, and results that wait to be stored. */
    waiting: () => ({
      runs: queue.waiting(),
      results: [...active.values()].reduce((sum, run) => sum + run.waitingCount(), 0),
    }),
    /** The interfaces, as `node interface`, that runs have to themselves now. */
    heldInterfaces: queue.held,
    /** A run that has one of these interfaces to itself, or waits for it. */
    holding: (interfaces: ReadonlySet<string>): string | undefined =>
      [...wanted].find(([, own]) => [...own].some((name) => interfaces.has(name)))?.[0],

    /** What keeps runs from being stored, one line each. */
    problems: () => [...active.values()].flatMap((run) => run.problem() ?? []),

    /** Stops all runs, which become INTERRUPTED, and waits until their agents have let go. */
    async close(): Promise<void> {
      draining = true
      const all = [...active.values()]
      for (const run of all) run.interrupt('the collector was shut down')
      await Promise.all(all.map(({ done }) => done))
    },
  }
}

export type Runs = ReturnType<typeof createRuns>

/** Traffic would be in every value that is measured beside it. */
const throwIfTraffic = (
  traffic: Pick<TrafficInterfaces, 'on'>,
  { besideTraffic }: RunSpec,
  interfaces: ReadonlySet<string>,
): void => {
  const found = besideTraffic ? undefined : traffic.on(interfaces)
  if (!found) return
  const text = `${found.interface} carries sustained traffic; stop it with "meshgauge traffic stop ${found.trafficId}", or measure beside it with --beside-traffic`
  throw new OperatingError('INTERFACES_BUSY', text)
}

/** What the nodes that take part are made of, as their agents last said. */
const metadataOf = (prepared: PreparedRun, nodes: readonly Node[]): Run['nodeMetadata'] => {
  const taking = new Set(prepared.endpoints.map(({ node }) => node))
  return Object.fromEntries(
    nodes.flatMap(({ name, description }) =>
      taking.has(name) && description?.metadata ? [[name, description.metadata] as const] : [],
    ),
  )
}

/** A thousand nodes are half a megabyte: too much for each step of a run and for each line of a list. */
const withoutMetadata = (run: Run): Run => ({ ...run, nodeMetadata: {} })

const newRun = (id: string, spec: RunSpec, plan: Plan, now: Date): Run => ({
  id,
  spec,
  state: RunState.RUN_STATE_PENDING,
  stateReason: '',
  plan,
  createTime: toTimestamp(now),
  startTime: undefined,
  endTime: undefined,
  progress: { doneCount: 0, measuredCount: 0, pairCount: plan.pairCount, round: 0, remaining: plan.duration },
  traceId: '',
  summary: undefined,
  verdicts: [],
  nodeMetadata: {},
})
