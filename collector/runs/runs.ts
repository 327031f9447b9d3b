import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { limitError, OperatingError } from '../../lib/errors.ts'
import { createTimedId, type RandomBytes } from '../../lib/ids.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { findLocalEvidence } from '../diagnosis/local-evidence.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { FleetNode } from '../inventory/node.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import type { RequestedRunSpec } from '../plan/run-spec.ts'
import type { Run } from '../store/run.ts'
import { ActiveRun } from './active-run.ts'
import type { RunDeps } from './deps.ts'
import { exclusiveInterfacesOf, InterfaceQueue } from './interface-queue.ts'
import { prepareRun } from './prepare.ts'
import type { TrafficInterfaces } from './traffic-interfaces.ts'
import type { RunUpdate } from './watchers.ts'

/** Most runs that wait or measure at the same time. Each needs memory for all of its pairs. */
const MAX_ACTIVE_RUNS = 64

export type RunsDeps = Omit<RunDeps, 'queue' | 'connection'> & {
  /** For the ids of runs. */
  randomBytes: RandomBytes
  traffic: Pick<TrafficInterfaces, 'find'>
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'refresh'>
}

/** All runs of this collector: the active ones, and through the store those that have ended. */
export class Runs {
  readonly #deps: RunsDeps
  readonly #active = new Map<string, ActiveRun>()
  /** The interfaces that each active run uses exclusively or waits for. */
  readonly #interfaces = new Map<string, ReadonlySet<string>>()
  readonly #queue = new InterfaceQueue()
  #isDraining = false

  constructor(deps: RunsDeps) {
    this.#deps = deps
  }

  /** @throws OperatingError SPEC_INVALID with all problems */
  async plan(spec: RequestedRunSpec): Promise<PlannedRun> {
    await this.#deps.fleet.refresh()
    return prepareRun(spec, this.#deps.fleet.nodes())
  }

  /**
   * Starts a run.
   * @throws OperatingError SPEC_INVALID, INTERFACES_BUSY, STORE_UNAVAILABLE, LIMIT_EXCEEDED, COLLECTOR_DRAINING; then
   * nothing has started
   */
  async create(spec: RequestedRunSpec, requestId = ''): Promise<Run> {
    const { clock, randomBytes, fleet, traffic } = this.#deps
    this.#throwIfFull()
    await fleet.refresh()
    this.#throwIfFull()
    const nodes = fleet.nodes()
    const planned = prepareRun(spec, nodes)
    const interfaces = exclusiveInterfacesOf(planned)
    throwIfTraffic(traffic, spec, interfaces)
    const now = clock.now()
    const run = { ...newRun(createTimedId(randomBytes, now), planned, nodes, now), requestId }
    const racks = new Map(nodes.flatMap(({ name, rack }) => (rack ? [[name, rack] as const] : [])))
    const deps = { ...this.#deps, connection: (node: string) => fleet.connection(node), queue: this.#queue }
    const participants = new Set(planned.endpoints.map(({ node }) => node))
    const local = findLocalEvidence(
      nodes.filter(({ name }) => participants.has(name)),
      planned.endpoints.map((endpoint) => endpoint.interface),
    )
    const started = new ActiveRun(deps, run, planned, { racks, local })
    this.#track(started, interfaces)
    // A run that does not have to wait is RUNNING after this, and is not shown as PENDING.
    await clock.yield()
    return started.run
  }

  /** @throws OperatingError NOT_FOUND */
  get(id: string): Run {
    const stored = this.#deps.store.getRun(id)
    return this.#active.get(stored.id)?.run ?? stored
  }

  /** Returns the run that the CreateRun request with this id created. */
  ofRequest(requestId: string): Run | undefined {
    const stored = this.#deps.store.runOfRequest(requestId)
    return stored && (this.#active.get(stored.id)?.run ?? stored)
  }

  list(page: { size: number; token: string }): { runs: Run[]; nextPageToken: string } {
    const { runs, nextPageToken } = this.#deps.store.listRuns(page)
    return { runs: runs.map((run) => withoutMetadata(this.#active.get(run.id)?.run ?? run)), nextPageToken }
  }

  /** @throws OperatingError NOT_FOUND, RUN_NOT_ACTIVE */
  cancel(id: string): Run {
    const run = this.get(id)
    const active = this.#active.get(run.id)
    if (!active || active.hasEnded)
      throw new OperatingError('RUN_NOT_ACTIVE', `run ${run.id} has ended already`)
    active.cancel()
    return active.run
  }

  /** Yields the run as it is, then each update with its new results. Ends with the run. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<RunUpdate> {
    const run = this.get(id)
    const updates = this.#active.get(run.id)?.watch(signal) ?? [{ run, results: [] }]
    for await (const update of updates) yield { ...update, run: withoutMetadata(update.run) }
  }

  /** Returns how many runs wait for interfaces, and how many results wait for the store. */
  backlog(): { runs: number; results: number } {
    const results = [...this.#active.values()].reduce((sum, run) => sum + run.unstoredCount(), 0)
    return { runs: this.#queue.waitingCount(), results }
  }

  /** Returns the keys of the interfaces that runs use exclusively now. */
  exclusiveInterfaces(): ReadonlySet<string> {
    return this.#queue.acquired()
  }

  /** Returns the id of a run that uses any of these interfaces exclusively, or waits for it. */
  findByInterface(interfaces: ReadonlySet<string>): string | undefined {
    return [...this.#interfaces].find(([, used]) => [...used].some((key) => interfaces.has(key)))?.[0]
  }

  /** Returns why runs cannot be stored. */
  storeProblems(): string[] {
    return [...new Set([...this.#active.values()].flatMap((run) => run.storeProblem() ?? []))]
  }

  /** Interrupts all runs, and waits until their agents have stopped. */
  async close(): Promise<void> {
    this.#isDraining = true
    const all = [...this.#active.values()]
    for (const run of all) run.interrupt('the collector was shut down')
    await Promise.all(all.map(({ done }) => done))
  }

  #throwIfFull(): void {
    if (this.#isDraining) throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
    if (this.#active.size < MAX_ACTIVE_RUNS) return
    throw limitError('collector', {
      problem: `${this.#active.size} runs are pending or running; cancel some, or wait`,
      limit: 'max_active_runs',
      value: MAX_ACTIVE_RUNS,
    })
  }

  #track(run: ActiveRun, interfaces: ReadonlySet<string>): void {
    const { id } = run.run
    const { observer } = this.#deps
    this.#active.set(id, run)
    this.#interfaces.set(id, interfaces)
    observer.observeActive(this.#active.size)
    void run.ended.then(() => this.#interfaces.delete(id))
    void run.done.then(() => {
      this.#active.delete(id)
      observer.observeActive(this.#active.size)
    })
  }
}

/** Traffic on the same interface would change every measured value. */
const throwIfTraffic = (
  traffic: Pick<TrafficInterfaces, 'find'>,
  { allowTraffic }: RequestedRunSpec,
  interfaces: ReadonlySet<string>,
): void => {
  const found = allowTraffic ? undefined : traffic.find(interfaces)
  if (!found) return
  const text = `${found.interface} carries sustained traffic; stop it with "meshgauge traffic stop ${found.trafficId}", or measure at the same time with --allow-traffic`
  throw new OperatingError('INTERFACES_BUSY', text)
}

/** Returns the metadata of the nodes that take part, as their agents last reported it. */
const metadataOf = ({ endpoints }: PlannedRun, nodes: readonly FleetNode[]): Run['nodeMetadata'] => {
  const participants = new Set(endpoints.map(({ node }) => node))
  return Object.fromEntries(
    nodes.flatMap(({ name, description }) =>
      participants.has(name) && description?.metadata ? [[name, description.metadata] as const] : [],
    ),
  )
}

/** The metadata of 1,000 nodes is 0.5 MB: too much for each update of a run, and for each entry of a list. */
const withoutMetadata = (run: Run): Run => ({ ...run, nodeMetadata: {} })

const newRun = (id: string, planned: PlannedRun, nodes: readonly FleetNode[], now: Date): Run => {
  const plan = planned.message
  return {
    id,
    spec: planned.spec,
    state: RunState.RUN_STATE_PENDING,
    stateReason: '',
    plan,
    createTime: toTimestamp(now),
    startTime: undefined,
    endTime: undefined,
    progress: {
      doneCount: 0,
      measuredCount: 0,
      pairCount: plan.pairCount,
      round: 0,
      remaining: plan.duration,
    },
    traceId: '',
    summary: undefined,
    verdicts: [],
    judgement: undefined,
    nodeMetadata: metadataOf(planned, nodes),
    requestId: '',
  }
}
