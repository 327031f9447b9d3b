import type { Traffic } from '#proto/meshgauge/collector/v1/traffic.ts'
import { TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { createFlowEndpoints } from './agents/flow-endpoints.ts'
import { createTrafficCalls } from './agents/traffic-calls.ts'
import { waitForStop } from './agents/wait-for-stop.ts'
import type { PreparedTraffic } from './assign/prepare.ts'
import { createFlows, type NodeTotals, type Totals } from './state/flows.ts'

export type TrafficDeps = {
  clock: Clock
  logger: Logger
  /** From 0 to 1. */
  random: () => number
  fleet: Pick<Fleet, 'nodes' | 'connection'>
}

/** Figures of one traffic, for the metrics. */
export type TrafficFigures = Totals & {
  id: string
  flowCount: number
  askedBitsPerSecond: number
  nodes: Map<string, NodeTotals>
}

/** Keeps the flows of one traffic up until it is ended. */
export const startTraffic = (
  deps: TrafficDeps,
  { id, requestId, prepared }: { id: string; requestId: string; prepared: PreparedTraffic },
) => {
  const { clock } = deps
  const flows = createFlows(prepared, clock)
  const ends = createFlowEndpoints(deps, prepared)
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
  const calls = createTrafficCalls(deps, job)

  const begin = async () => {
    const sentCount = await calls.begin()
    if (signal.aborted) return
    if (sentCount === 0) {
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

  const done = Promise.withResolvers<void>()
  let ending: Promise<void> | undefined
  const finish = async (last: TrafficState, why: string) => {
    state = TrafficState.TRAFFIC_STATE_STOPPING
    reason = why
    stop.abort()
    await begun
    await calls.ended()
    const doubts = (await Promise.all(prepared.nodes.map((node) => waitForStop(deps, node, id)))).flat()
    state = last
    reason = [why, ...doubts].filter((text) => text !== '').join('; ')
    endTime = toTimestamp(clock.now())
    deps.logger.info({ traffic: id, reason }, 'traffic ended')
    done.resolve()
  }
  const end = (last: TrafficState, why: string): Promise<void> => {
    ending ??= finish(last, why)
    return ending
  }

  const begun = begin()

  const message = (): Traffic => {
    const isOver = endTime !== undefined
    const totals = flows.totals()
    return {
      id,
      requestId,
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
    flows: flows.page,
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
