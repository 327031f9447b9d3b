import type { MeshBatch } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { NodePlan } from '../assign/planner.ts'
import { type Ingest, toMilliseconds } from '../state/ingest.ts'
import type { Recorder, Sender } from '../state/recorder.ts'
import { createAgentClock, type PersistedOffset } from './agent-clock.ts'
import { createAgentStream } from './agent-stream.ts'
import type { PersistedDroppedCount } from './persisted-state.ts'

/** Of batches with nothing in them, so many are acknowledged as one, and before that with the next that has something. */
const EMPTY_TOGETHER = 16

export type MeshAgentDeps = {
  clock: Clock
  logger: Logger
  random: () => number
  owner: string
  fleet: Pick<Fleet, 'connection'>
  ingest: Pick<Ingest, 'batch'>
  recorder: Pick<Recorder, 'add' | 'forget'>
  keptOffset: PersistedOffset | undefined
  keepOffset: (kept: PersistedOffset) => void
  onWindows: (count: number) => void
  onDropped: (count: number) => void
  /** Its kernel had received so many echo requests at that time, by our clock. */
  onEchoes: (timeMs: number, count: number) => void
  onDelivering: (delivers: boolean, reason: string, lastMs: number) => void
  /** What it had thrown away when a collector was last told. */
  keptDropped: PersistedDroppedCount | undefined
  keepDropped: (kept: PersistedDroppedCount) => void
}

/** One agent's part of the meshes: its stream, its clock, and which of its batches are safe. */
export const createMeshAgent = (deps: MeshAgentDeps, plan: NodePlan) => {
  const { clock } = deps
  const stop = new AbortController()
  const agentClock = createAgentClock(deps.keptOffset, deps.keepOffset)
  let session = ''
  /** The last batch that was taken for the store, and the last that the store has. */
  let taken = 0
  let stored = 0
  /** A batch was left to the agent; those after it must not be acknowledged either. */
  let missed = false
  let dropped = 0
  let lastEndMs = 0
  let current = plan
  /** Why an interface is not probed from; an empty name is whatever the routing table chooses. */
  let troubles: ReadonlyMap<string, string> = new Map()
  /** They wait for the first look at the agent's clock: what comes in a second, of what an agent can hold at all. */
  let waiting: MeshBatch[] = []

  const assignmentOf = ({ assignment }: NodePlan) => ({ ...assignment, owner: deps.owner })

  const sender: Sender = {
    onStored: (of, sequence) => {
      if (of !== session) return
      stored = Math.max(stored, sequence)
      keeper.acknowledge(session, stored)
    },
    onRoom: () => {
      if (missed) keeper.reopen()
    },
  }

  const take = (batch: MeshBatch, offsetMs: number): void => {
    const { sequence, echoRequestCount } = batch
    if (echoRequestCount !== undefined) {
      deps.onEchoes(toMilliseconds(batch.sendTime) + offsetMs, echoRequestCount)
    }
    if (batch.droppedCount > dropped) {
      deps.onDropped(batch.droppedCount - dropped)
      dropped = batch.droppedCount
      deps.keepDropped({ session, droppedCount: dropped })
    }
    if (sequence <= taken) {
      // It came again because the acknowledgement was lost with the stream before.
      if (sequence <= stored) keeper.acknowledge(session, stored)
      return
    }
    if (batch.windows.length === 0 && !missed && sequence % EMPTY_TOGETHER !== 0) {
      taken = sequence
      return
    }
    const windows = deps.ingest.batch(plan.node, batch, offsetMs)
    for (const { endMs } of windows) if (endMs > lastEndMs) lastEndMs = endMs
    // What is left to the agent comes again, and is counted then.
    if (missed || !deps.recorder.add(windows, sender, session, sequence)) missed = true
    else {
      taken = sequence
      deps.onWindows(windows.length)
    }
  }

  const work = (): void => {
    if (waiting.length === 0) return
    const offsetMs = agentClock.offsetMs(clock.now().getTime(), clock.monotonicSeconds())
    if (offsetMs === undefined) return
    const batches = waiting
    waiting = []
    for (const batch of batches) take(batch, offsetMs)
  }

  const keeper = createAgentStream(
    {
      clock,
      logger: deps.logger,
      random: deps.random,
      connection: () => deps.fleet.connection(plan.node),
      onStarted: (started) => {
        agentClock.begin(started.session)
        waiting = []
        missed = false
        if (started.session === session) return
        session = started.session
        taken = 0
        stored = 0
        const { keptDropped } = deps
        dropped = keptDropped?.session === session ? keptDropped.droppedCount : 0
      },
      onBatch: (batch) => {
        agentClock.observe(toMilliseconds(batch.sendTime), clock.monotonicSeconds())
        troubles = new Map(
          batch.problems.map(({ groupIndex, interface: name, reason }) => [
            // A position is one in the assignment that the agent has applied, which may be the one before this.
            name ?? current.assignment.groups[groupIndex]?.interface ?? '',
            reason,
          ]),
        )
        waiting.push(batch)
        work()
      },
      onDelivering: (delivers, reason) => deps.onDelivering(delivers, reason, lastEndMs),
    },
    assignmentOf(plan),
    stop.signal,
  )

  return {
    node: plan.node,
    plan: (): NodePlan => current,
    assign: (next: NodePlan): void => {
      current = next
      keeper.assign(assignmentOf(next))
    },
    /** Batches may wait for the agent's clock to be known; to be called now and then. */
    tick: work,
    /** The fleet has changed; perhaps the agent's address has. */
    follow: keeper.follow,
    /** Its agent has answered somebody. */
    wake: keeper.wake,
    delivers: keeper.delivers,
    /** Interfaces that it cannot probe from now, and why. */
    troubles: (): ReadonlyMap<string, string> => troubles,
    /** What keeps the mesh from being measured from here, one line each. */
    problems: (): string[] => [
      ...(keeper.delivers() ? [] : [`${plan.node} does not deliver: ${keeper.reason()}`]),
      ...[...troubles].map(
        ([name, reason]) => `${plan.node}${name && ` ${name}`} is not probed from: ${reason}`,
      ),
    ],
    /** How its stream is; how far its clock is from ours in milliseconds, undefined until it is known. */
    stream: () => ({
      node: plan.node,
      delivers: keeper.delivers(),
      offsetMs: agentClock.offsetMs(clock.now().getTime(), clock.monotonicSeconds()),
    }),
    /** The node has left the meshes: its agent is told to stop. */
    end: async (): Promise<void> => {
      await keeper.finish()
      stop.abort()
      await keeper.done
      deps.recorder.forget(sender)
    },
    /** The collector stops: the agent goes on and holds what it measures. */
    close: async (): Promise<void> => {
      stop.abort()
      await keeper.done
    },
  }
}

export type MeshAgent = ReturnType<typeof createMeshAgent>
