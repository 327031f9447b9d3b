import type { TrafficFlow } from '#proto/meshgauge/collector/v1/traffic.ts'
import { limitError, OperatingError } from '../../lib/errors.ts'
import { createTimedId, type RandomBytes } from '../../lib/ids.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { Runs } from '../runs/runs.ts'
import type { TrafficInterfaces } from '../runs/traffic-interfaces.ts'
import { ActiveTraffic, type ActiveTrafficDeps, type TrafficFigures } from './active-traffic.ts'
import { interfacesOfTraffic, prepareTraffic } from './assign/prepare.ts'
import type { TrafficSpec } from './assign/traffic-spec.ts'
import type { FlowPage } from './state/flows.ts'
import type { Traffic } from './traffic.ts'

/** Each traffic runs hundreds of programs on every node. */
const MAX_ACTIVE = 16
/** The number of ended traffics that lists contain. With the active ones, no list has more than 100 entries. */
const MAX_ENDED = 100 - MAX_ACTIVE
const WATCH_SECONDS = 1
const OBSERVE_SECONDS = 5

export type TrafficsDeps = Omit<ActiveTrafficDeps, 'fleet'> & {
  /** For the ids of traffic. */
  randomBytes: RandomBytes
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'refresh'>
  runs: Pick<Runs, 'findByInterface'>
  interfaces: TrafficInterfaces
  /** Receives the figures of all active traffic every few seconds, and when one ends. */
  observe(active: readonly TrafficFigures[]): void
}

/** All sustained traffic of this collector. It is not stored: it ends when the collector ends. */
export class Traffics {
  readonly #deps: TrafficsDeps
  readonly #active = new Map<string, ActiveTraffic>()
  readonly #ended = new Map<string, Traffic>()
  readonly #closing = new AbortController()
  readonly #observing: Promise<void>

  constructor(deps: TrafficsDeps) {
    this.#deps = deps
    this.#observing = this.#observeUntilClosed()
  }

  /**
   * Starts traffic.
   * @throws OperatingError SPEC_INVALID, INTERFACES_BUSY, LIMIT_EXCEEDED, COLLECTOR_DRAINING; then nothing was started
   */
  async start(spec: TrafficSpec, requestId = ''): Promise<Traffic> {
    const { fleet, clock, randomBytes } = this.#deps
    await fleet.refresh()
    if (this.#closing.signal.aborted)
      throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
    if (this.#active.size >= MAX_ACTIVE)
      throw limitError('collector', {
        problem: `${this.#active.size} traffics are active; stop some`,
        limit: 'max_active_traffics',
        value: MAX_ACTIVE,
      })
    const prepared = prepareTraffic(spec, fleet.nodes())
    const interfaces = interfacesOfTraffic(prepared)
    this.#throwIfMeasured(interfaces)
    const id = createTimedId(randomBytes, clock.now())
    this.#deps.interfaces.reserve(id, interfaces)
    const traffic = new ActiveTraffic(this.#deps, { id, requestId, prepared })
    this.#active.set(id, traffic)
    void traffic.done.then(() => this.#retire(id, traffic))
    return traffic.current()
  }

  /** Finds a traffic by its id, an unambiguous beginning of it, or `latest`. @throws OperatingError NOT_FOUND */
  get(id: string): Traffic {
    if (id === 'latest') {
      const [latest] = this.list()
      if (latest) return latest
      throw new OperatingError('NOT_FOUND', 'this collector has had no traffic yet')
    }
    const found = this.list().filter((traffic) => id !== '' && traffic.id.startsWith(id))
    if (found.length === 1) return found[0]!
    throw new OperatingError(
      'NOT_FOUND',
      found.length > 1
        ? `"${id}" is the beginning of ${found.length} traffic ids; write more characters`
        : `there is no traffic "${id}" on this collector`,
    )
  }

  /** The traffic that the StartTraffic request with this id started. */
  ofRequest(requestId: string): Traffic | undefined {
    return this.list().find((traffic) => traffic.requestId === requestId)
  }

  /** Active traffic and the last ended ones, newest first. */
  list(): Traffic[] {
    const active = Array.from(this.#active.values(), (traffic) => traffic.current())
    return [...active, ...this.#ended.values()].sort((a, b) => b.id.localeCompare(a.id))
  }

  /** Flows that do not move first, then by name. Traffic that has ended has no flows. @throws OperatingError NOT_FOUND */
  flows(id: string, page: FlowPage): { flows: TrafficFlow[]; isLast: boolean } {
    return this.#active.get(this.get(id).id)?.flows(page) ?? { flows: [], isLast: true }
  }

  /** Yields the traffic now and after each change, at most once per second, until it ends. @throws OperatingError NOT_FOUND */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<Traffic> {
    const first = this.get(id)
    let last = ''
    while (true) {
      const traffic = this.#active.get(first.id)?.current() ?? this.#ended.get(first.id) ?? first
      const text = JSON.stringify(traffic)
      if (text !== last) yield traffic
      last = text
      if (traffic.endTime) return
      await this.#deps.clock.sleep(WATCH_SECONDS, signal)
    }
  }

  /** Resolves when no program of the traffic is left. @throws OperatingError NOT_FOUND, TRAFFIC_NOT_ACTIVE */
  async stop(id: string): Promise<Traffic> {
    const found = this.get(id)
    const traffic = this.#active.get(found.id)
    if (!traffic) throw new OperatingError('TRAFFIC_NOT_ACTIVE', `traffic ${found.id} has ended`)
    await traffic.stop('')
    return traffic.current()
  }

  /** Stops all traffic. */
  async close(): Promise<void> {
    this.#closing.abort()
    const reason = 'the collector was shut down'
    await Promise.all([...this.#active.values()].map((traffic) => traffic.stop(reason)))
    await this.#observing
  }

  /** @throws OperatingError INTERFACES_BUSY when a run measures exclusively on one of the interfaces */
  #throwIfMeasured(interfaces: ReadonlySet<string>): void {
    const run = this.#deps.runs.findByInterface(interfaces)
    if (run)
      throw new OperatingError(
        'INTERFACES_BUSY',
        `run ${run} uses some of these interfaces exclusively; wait for it ("meshgauge runs show ${run}"), or cancel it with "meshgauge runs cancel ${run}"`,
      )
  }

  #retire(id: string, traffic: ActiveTraffic): void {
    this.#ended.set(id, traffic.current())
    this.#active.delete(id)
    this.#deps.interfaces.release(id)
    for (const oldest of this.#ended.keys()) if (this.#ended.size > MAX_ENDED) this.#ended.delete(oldest)
    this.#observe()
  }

  #observe(): void {
    this.#deps.observe(Array.from(this.#active.values(), (traffic) => traffic.figures()))
  }

  async #observeUntilClosed(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#deps.clock.sleep(OBSERVE_SECONDS, signal).catch(() => undefined)
      if (this.#active.size > 0) this.#observe()
    }
  }
}
