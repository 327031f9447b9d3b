import type { MeshBatch, MeshProblem, MeshStarted } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { Window } from '../../store/windows.ts'
import type { NodePlan } from '../assign/assignment.ts'
import { createAgentClock, type PersistedOffset, toMilliseconds } from './agent-clock.ts'
import { createAgentStream } from './agent-stream.ts'
import type { PersistedDroppedCount } from './persisted-state.ts'
import type { BatchSender, Recorder } from './recorder.ts'

/** Batches without windows are acknowledged only with every 16th sequence number, or with the next full batch. */
const EMPTY_BATCHES = 16

export type MeshAgentDeps = {
  clock: Clock
  logger: Logger
  random: () => number
  owner: string
  fleet: Pick<Fleet, 'connection'>
  mayReach: () => boolean
  /** Updates the state of the paths and returns the windows to store, in mesh time. */
  ingest: (node: string, batch: MeshBatch, offsetMs: number) => readonly Window[]
  recorder: Pick<Recorder, 'add' | 'forget'>
  persistedOffset: PersistedOffset | undefined
  persistOffset: (offset: PersistedOffset) => void
  persistedDropped: PersistedDroppedCount | undefined
  persistDropped: (dropped: PersistedDroppedCount) => void
  onWindows: (count: number) => void
  onDropped: (count: number) => void
  /** The node's kernel had received this number of ICMP echo requests at this mesh time. */
  onEchoRequests: (timeMs: number, count: number) => void
  /** @param lastMs mesh time at which the last window ended; 0 when there was none */
  onDelivering: (delivers: boolean, reason: string, lastMs: number) => void
}

/** The batches of the current session of an agent. */
type Progress = {
  session: string
  /** Sequence number of the last batch that the recorder has accepted. */
  accepted: number
  /** Sequence number of the last batch that is stored. */
  stored: number
  /** The recorder refused a batch. Later ones must not be acknowledged before it was sent again. */
  hasGap: boolean
  /** Windows that the agent has discarded in this session. */
  dropped: number
}

/** One agent's part of the ping mesh: its stream, its clock, and the progress of its batches. */
class MeshAgent {
  readonly node: string
  readonly #deps: MeshAgentDeps
  readonly #stop = new AbortController()
  readonly #clock: ReturnType<typeof createAgentClock>
  readonly #stream: ReturnType<typeof createAgentStream>
  readonly #progress: Progress = { session: '', accepted: 0, stored: 0, hasGap: false, dropped: 0 }
  readonly #sender: BatchSender = {
    onStored: (session, sequence) => {
      if (session !== this.#progress.session) return
      this.#progress.stored = Math.max(this.#progress.stored, sequence)
      this.#acknowledge()
    },
    onSpace: () => {
      if (this.#progress.hasGap) this.#stream.reopen()
    },
  }
  #plan: NodePlan
  #lastEndMs = 0
  /** Why an interface is not probed from, by its name; '' is the interface that the routing table selects. */
  #interfaceProblems: ReadonlyMap<string, string> = new Map()
  /** Why a path is not probed, by its id. */
  #pathProblems: ReadonlyMap<number, string> = new Map()
  /** Batches that wait until the clock offset is known: at most one second of them, and what an agent can buffer. */
  #waiting: MeshBatch[] = []

  constructor(deps: MeshAgentDeps, plan: NodePlan) {
    this.#deps = deps
    this.#plan = plan
    this.node = plan.node
    this.#clock = createAgentClock(deps.persistedOffset, deps.persistOffset)
    this.#stream = createAgentStream(
      {
        clock: deps.clock,
        logger: deps.logger,
        random: deps.random,
        connection: () => deps.fleet.connection(plan.node),
        mayReach: deps.mayReach,
        onStarted: (started) => this.#start(started),
        onBatch: (batch) => this.#receive(batch),
        onDelivering: (delivers, reason) => deps.onDelivering(delivers, reason, this.#lastEndMs),
      },
      this.#assignment(),
      this.#stop.signal,
    )
  }

  #assignment() {
    return { ...this.#plan.assignment, owner: this.#deps.owner }
  }

  #acknowledge(): void {
    this.#stream.acknowledge(this.#progress.session, this.#progress.stored)
  }

  #offsetMs(): number | undefined {
    const { clock } = this.#deps
    return this.#clock.offsetMs(clock.now().getTime(), clock.monotonicSeconds())
  }

  #start({ session }: MeshStarted): void {
    this.#clock.begin(session)
    this.#waiting = []
    this.#progress.hasGap = false
    if (session === this.#progress.session) return
    const { persistedDropped } = this.#deps
    const dropped = persistedDropped?.session === session ? persistedDropped.droppedCount : 0
    Object.assign(this.#progress, { session, accepted: 0, stored: 0, dropped })
  }

  #receive(batch: MeshBatch): void {
    this.#clock.observe(toMilliseconds(batch.sendTime), this.#deps.clock.monotonicSeconds())
    this.#setProblems(batch.problems)
    this.#waiting.push(batch)
    this.processWaiting()
  }

  #setProblems(problems: readonly MeshProblem[]): void {
    if (problems.length + this.#interfaceProblems.size + this.#pathProblems.size === 0) return
    const ofGroups = problems.filter(({ targetIds }) => targetIds.length === 0)
    this.#interfaceProblems = new Map(
      ofGroups.map(({ groupIndex, interface: name, reason }) => [
        // Older agents send only an index into the assignment that they have applied, which may not be the newest one.
        name ?? this.#plan.assignment.groups[groupIndex]?.interface ?? '',
        reason,
      ]),
    )
    this.#pathProblems = new Map(
      problems.flatMap(({ targetIds, reason }) => targetIds.map((id) => [id, reason] as const)),
    )
  }

  #process(batch: MeshBatch, offsetMs: number): void {
    const { sequence, echoRequestCount, sendTime, windows: groups } = batch
    const progress = this.#progress
    if (echoRequestCount !== undefined) {
      this.#deps.onEchoRequests(toMilliseconds(sendTime) + offsetMs, echoRequestCount)
    }
    this.#countDropped(batch.droppedCount)
    if (sequence <= progress.accepted) {
      // Sent again because the acknowledgement was lost with the previous stream.
      if (sequence <= progress.stored) this.#acknowledge()
      return
    }
    if (groups.length === 0 && !progress.hasGap && sequence % EMPTY_BATCHES !== 0) {
      progress.accepted = sequence
      return
    }
    const windows = this.#deps.ingest(this.node, batch, offsetMs)
    for (const { endMs } of windows) if (endMs > this.#lastEndMs) this.#lastEndMs = endMs
    // A refused batch is sent again, and its windows are counted then.
    const { recorder } = this.#deps
    if (progress.hasGap || !recorder.add(windows, this.#sender, progress.session, sequence)) {
      progress.hasGap = true
      return
    }
    progress.accepted = sequence
    this.#deps.onWindows(windows.length)
  }

  #countDropped(droppedCount: number): void {
    const progress = this.#progress
    if (droppedCount <= progress.dropped) return
    this.#deps.onDropped(droppedCount - progress.dropped)
    progress.dropped = droppedCount
    this.#deps.persistDropped({ session: progress.session, droppedCount })
  }

  /** Processes the batches that wait for the clock offset, once it is known. Call it every second or so. */
  processWaiting(): void {
    if (this.#waiting.length === 0) return
    const offsetMs = this.#offsetMs()
    if (offsetMs === undefined) return
    const batches = this.#waiting
    this.#waiting = []
    for (const batch of batches) this.#process(batch, offsetMs)
  }

  assign(plan: NodePlan): void {
    this.#plan = plan
    this.#stream.assign(this.#assignment())
  }

  /** Reopens the stream when the agent's connection has changed. */
  reopenIfMoved(): void {
    this.#stream.reopenIfMoved()
  }

  checkSilence(suspendedSeconds: number): void {
    this.#stream.checkSilence(suspendedSeconds)
  }

  /** The agent has answered another call: calls it now if its stream waits to be reopened. */
  wake(): void {
    this.#stream.wake()
  }

  /** Closes the stream, whose agent is that of another node. */
  release(): void {
    if (this.delivers()) this.#stream.reopen()
  }

  delivers(): boolean {
    return this.#stream.delivers()
  }

  /** Returns the interfaces that it cannot probe from now, and why. */
  interfaceProblems(): ReadonlyMap<string, string> {
    return this.#interfaceProblems
  }

  /** Returns the paths that it does not probe now, and why. */
  pathProblems(): ReadonlyMap<number, string> {
    return this.#pathProblems
  }

  /** Returns why this node is not measured, one line each. */
  problems(): string[] {
    return [
      ...(this.delivers() ? [] : [`${this.node} does not deliver: ${this.#stream.reason()}`]),
      ...[...this.#interfaceProblems].map(
        ([name, reason]) => `${this.node} cannot probe${name && ` from ${name}`}: ${reason}`,
      ),
      ...[...Map.groupBy(this.#pathProblems.values(), (reason) => reason)].map(
        ([reason, { length }]) => `${this.node} does not probe ${length} of its targets: ${reason}`,
      ),
    ]
  }

  /** Returns whether it delivers, and its clock offset in milliseconds (undefined until it is known). */
  status() {
    return { node: this.node, delivers: this.delivers(), offsetMs: this.#offsetMs() }
  }

  /** The node has left all meshes: the agent stops probing. */
  async end(): Promise<void> {
    await this.#stream.finish()
    this.#stop.abort()
    await this.#stream.done
    this.#deps.recorder.forget(this.#sender)
  }

  /** The collector stops: the agent continues to probe and buffers its windows. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#stream.done
  }
}

export type { MeshAgent }

/** Opens the stream to an agent and processes its batches. */
export const createMeshAgent = (deps: MeshAgentDeps, plan: NodePlan): MeshAgent => new MeshAgent(deps, plan)
