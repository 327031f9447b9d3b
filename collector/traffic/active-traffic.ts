import type { Traffic, TrafficFlow } from '#proto/meshgauge/collector/v1/traffic.ts'
import { TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeCallError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { type Calls, createCalls } from './calls.ts'
import { createEnds } from './ends.ts'
import { createFlows, type NodeTotals, type Totals } from './flows.ts'
import { createSending, createServing } from './node-calls.ts'
import type { PreparedTraffic } from './prepare.ts'

export type TrafficDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'connection'>
}

/** Figures of one traffic, for the metrics. */
export type TrafficFigures = Totals & {
  id: string
  flowCount: number
  askedBitsPerSecond: number
  nodes: Map<string, NodeTotals>
}

/** Hundreds of programs on each of many nodes start within this time, or traffic goes on with those that have. */
const START_SECONDS = 120
/** Agents end their programs within 2 s; a busy one gets more time. */
const GONE_SECONDS = 15
const GONE_LOOK_SECONDS = 0.2
const DESCRIBE_DEADLINE_MS = 5_000

/** Keeps the flows of one traffic up until it is ended. */
export const startTraffic = (deps: TrafficDeps, id: string, prepared: PreparedTraffic) => {
  const { clock } = deps
  const flows = createFlows(prepared, clock)
  const ends = createEnds(deps, prepared)
  const stop = new AbortController()
  const { signal } = stop
  const job = { deps, label: id, prepared, flows, ends, stopping: signal }
  const asked =
    prepared.flowBitsPerSecond === undefined ? undefined : prepared.flowBitsPerSecond * flows.count
  const createTime = toTimestamp(clock.now())
  let state: TrafficState = TrafficState.TRAFFIC_STATE_STARTING
  let reason = ''
  let startTime: Traffic['startTime']
  let endTime: Traffic['endTime']
  let everSent = 0

  const groups = (endpoints: Int32Array) =>
    Map.groupBy(
      Array.from(endpoints, (_, flow) => flow),
      (flow) => prepared.endpoints[endpoints[flow]!]!.node,
    )
  const isUsable = (flow: number, side: 'server' | 'client'): boolean => {
    const problem = ends.problem(flow, side)
    if (problem) flows.lost(flow, side, problem)
    return problem === ''
  }
  const settle = (calls: Iterable<Calls>) => {
    const timer = new AbortController()
    const pause = clock.sleep(START_SECONDS, AbortSignal.any([signal, timer.signal])).catch(() => undefined)
    return Promise.race([Promise.all(Array.from(calls, ({ settled }) => settled)), pause]).finally(() =>
      timer.abort(),
    )
  }

  const senders = new Map<string, Calls>()
  const onServed = (flow: number, moved: boolean) => {
    const sender = senders.get(prepared.endpoints[prepared.sources[flow]!]!.node)
    if (moved) sender?.reopen(flow)
    else sender?.wake()
  }
  const receivers = [...groups(prepared.destinations)].map(([node, list]) =>
    createCalls(
      deps,
      { flows: list, isDue: (flow) => isUsable(flow, 'server'), call: createServing(job, node, onServed) },
      signal,
    ),
  )
  /** The receivers first, then the senders: who finds no server would be counted as a restart. */
  const begin = async () => {
    await settle(receivers)
    if (signal.aborted) return
    for (const [node, list] of groups(prepared.sources)) {
      const send = createSending(job, node)
      const call: typeof send = (some, begun, until) =>
        send(
          some,
          () => {
            everSent += some.length
            begun()
          },
          until,
        )
      const isDue = (flow: number) => flows.isServed(flow) && isUsable(flow, 'client')
      senders.set(node, createCalls(deps, { flows: list, isDue, call }, signal))
    }
    await settle(senders.values())
    if (signal.aborted) return
    if (everSent === 0) {
      void end(TrafficState.TRAFFIC_STATE_FAILED, flows.problems().join('; '))
      return
    }
    state = TrafficState.TRAFFIC_STATE_RUNNING
    startTime = toTimestamp(clock.now())
    if (prepared.durationSeconds === undefined) return
    await clock.sleep(prepared.durationSeconds, signal).then(
      () => void end(TrafficState.TRAFFIC_STATE_STOPPED, 'its duration is over'),
      () => undefined,
    )
  }
  const begun = begin()

  /** Waits until a node says that nothing of this traffic is left on it; gives why that could not be learnt. */
  const gone = async (node: string): Promise<string[]> => {
    const until = clock.monotonicSeconds() + GONE_SECONDS
    while (clock.monotonicSeconds() < until) {
      try {
        const call = { deadline: DESCRIBE_DEADLINE_MS }
        const { sustainedLabels } = await deps.fleet.connection(node).agent.describe({}, call)
        if (!sustainedLabels.includes(id)) return []
      } catch (error) {
        return [`${node} cannot be asked whether its programs have ended (${describeCallError(error)})`]
      }
      await clock.sleep(GONE_LOOK_SECONDS)
    }
    return [`${node} has programs left that do not end`]
  }

  let ending: Promise<void> | undefined
  const finish = async (last: TrafficState, why: string) => {
    state = TrafficState.TRAFFIC_STATE_STOPPING
    reason = why
    stop.abort()
    await begun
    await Promise.all([...receivers, ...senders.values()].map(({ done }) => done))
    const doubts = (await Promise.all(prepared.nodes.map(gone))).flat()
    state = last
    reason = [why, ...doubts].filter((text) => text !== '').join('; ')
    endTime = toTimestamp(clock.now())
    deps.logger.info({ traffic: id, reason }, 'traffic ended')
    done.resolve()
  }
  const done = Promise.withResolvers<void>()
  const end = (last: TrafficState, why: string): Promise<void> => {
    ending ??= finish(last, why)
    return ending
  }

  const message = (): Traffic => {
    const isOver = endTime !== undefined
    const totals = flows.totals()
    return {
      id,
      spec: prepared.spec,
      state,
      reason,
      createTime,
      startTime,
      endTime,
      nodeCount: prepared.nodes.length,
      flowCount: flows.count,
      movingCount: isOver ? 0 : totals.movingCount,
      restartCount: totals.restartCount,
      askedBitsPerSecond: asked,
      receivedBitsPerSecond: isOver ? 0 : Math.round(totals.receivedBitsPerSecond),
      problems: isOver ? [] : flows.problems(),
    }
  }
  return {
    message,
    flows: (): TrafficFlow[] => flows.list(),
    figures: (): TrafficFigures => ({
      ...flows.totals(),
      id,
      flowCount: flows.count,
      askedBitsPerSecond: asked ?? 0,
      nodes: flows.nodeTotals(),
    }),
    /** Ends everything, and resolves when nothing of it is left where that can be learnt. Again and again, if need be. */
    stop: (why: string) => end(TrafficState.TRAFFIC_STATE_STOPPED, why),
    done: done.promise,
  }
}

export type ActiveTraffic = ReturnType<typeof startTraffic>
