import type { TrafficFlow } from '#proto/meshgauge/collector/v1/traffic.ts'
import { TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { createFlowEndpoints } from './agents/flow-endpoints.ts'
import { TrafficAgents } from './agents/traffic-agents.ts'
import { waitForStop } from './agents/wait-for-stop.ts'
import type { PreparedTraffic } from './assign/prepare.ts'
import { type FlowPage, Flows, type NodeTotals, type Totals } from './state/flows.ts'
import type { Traffic } from './traffic.ts'

export type ActiveTrafficDeps = {
  clock: Clock
  logger: Logger
  /** Random number from 0 to 1. */
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

/** One traffic, from its start until all of its programs have ended. */
export class ActiveTraffic {
  readonly #deps: ActiveTrafficDeps
  readonly #id: string
  readonly #requestId: string
  readonly #prepared: PreparedTraffic
  readonly #flows: Flows
  readonly #agents: TrafficAgents
  readonly #stopping = new AbortController()
  readonly #done = Promise.withResolvers<void>()
  readonly #createTime: Traffic['createTime']
  #state: TrafficState = TrafficState.TRAFFIC_STATE_STARTING
  #reason = ''
  #startTime: Traffic['startTime']
  #endTime: Traffic['endTime']
  readonly #running: Promise<void>
  #ending: Promise<void> | undefined

  constructor(
    deps: ActiveTrafficDeps,
    { id, requestId, prepared }: { id: string; requestId: string; prepared: PreparedTraffic },
  ) {
    this.#deps = deps
    this.#id = id
    this.#requestId = requestId
    this.#prepared = prepared
    this.#createTime = toTimestamp(deps.clock.now())
    this.#flows = new Flows(prepared, deps.clock)
    this.#agents = new TrafficAgents(deps, {
      deps,
      label: id,
      prepared,
      reports: this.#flows,
      endpoints: createFlowEndpoints(deps, prepared),
      stopping: this.#stopping.signal,
    })
    this.#running = this.#run()
  }

  /** Resolves when the traffic has ended. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  current(): Traffic {
    const hasEnded = this.#endTime !== undefined
    const totals = this.#flows.totals()
    return {
      id: this.#id,
      requestId: this.#requestId,
      spec: this.#prepared.spec,
      state: this.#state,
      reason: this.#reason,
      createTime: this.#createTime,
      startTime: this.#startTime,
      endTime: this.#endTime,
      nodeCount: this.#prepared.nodes.length,
      flowCount: this.#flows.count,
      movingCount: hasEnded ? 0 : totals.movingCount,
      restartCount: totals.restartCount,
      askedBitsPerSecond: this.#askedBitsPerSecond,
      receivedBitsPerSecond: hasEnded ? 0 : Math.round(totals.receivedBitsPerSecond),
      problems: hasEnded ? [] : this.#flows.problems(),
    }
  }

  flows(page: FlowPage): { flows: TrafficFlow[]; isLast: boolean } {
    return this.#flows.page(page)
  }

  figures(): TrafficFigures {
    return {
      ...this.#flows.totals(),
      id: this.#id,
      flowCount: this.#flows.count,
      askedBitsPerSecond: this.#askedBitsPerSecond ?? 0,
      nodes: this.#flows.nodeTotals(),
    }
  }

  /** Stops the traffic. Resolves when no program of it is left on any agent that answers. May be called several times. */
  stop(reason: string): Promise<void> {
    return this.#end(TrafficState.TRAFFIC_STATE_STOPPED, reason)
  }

  get #askedBitsPerSecond(): number | undefined {
    const { flowBitsPerSecond } = this.#prepared
    return flowBitsPerSecond === undefined ? undefined : flowBitsPerSecond * this.#flows.count
  }

  async #run(): Promise<void> {
    const startedCount = await this.#agents.start()
    const { signal } = this.#stopping
    if (signal.aborted) return
    if (startedCount === 0) {
      void this.#end(TrafficState.TRAFFIC_STATE_FAILED, this.#flows.problems().join('; '))
      return
    }
    const { clock } = this.#deps
    this.#state = TrafficState.TRAFFIC_STATE_RUNNING
    this.#startTime = toTimestamp(clock.now())
    const { durationSeconds } = this.#prepared.spec.options
    if (durationSeconds === undefined) return
    await clock.sleep(durationSeconds, signal).then(
      () => void this.stop('its duration is over'),
      () => undefined,
    )
  }

  #end(state: TrafficState, reason: string): Promise<void> {
    this.#ending ??= this.#finish(state, reason)
    return this.#ending
  }

  async #finish(state: TrafficState, reason: string): Promise<void> {
    this.#state = TrafficState.TRAFFIC_STATE_STOPPING
    this.#reason = reason
    this.#stopping.abort()
    await this.#running
    await this.#agents.ended()
    const problems = await Promise.all(
      this.#prepared.nodes.map((node) => waitForStop(this.#deps, node, this.#id)),
    )
    this.#state = state
    this.#reason = [reason, ...problems.flat()].filter((text) => text !== '').join('; ')
    this.#endTime = toTimestamp(this.#deps.clock.now())
    this.#deps.logger.info({ traffic: this.#id, reason: this.#reason }, 'traffic ended')
    this.#done.resolve()
  }
}
