import { v7 as uuidv7 } from 'uuid'
import type { Traffic, TrafficFlow, TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { Runs } from '../runs/runs.ts'
import type { TrafficInterfaces } from '../runs/traffic-interfaces.ts'
import { type ActiveTraffic, startTraffic, type TrafficDeps, type TrafficFigures } from './active-traffic.ts'
import { interfacesOfTraffic, prepareTraffic } from './assign/prepare.ts'
import type { FlowPage } from './state/flows.ts'

/** Each keeps hundreds of programs busy on every node. */
const MAX_ACTIVE = 16
/** What has ended is told by lists until so many others have: with what goes on, no list is longer than 100. */
const MAX_ENDED = 100 - MAX_ACTIVE
const WATCH_SECONDS = 1
const OBSERVE_SECONDS = 5

export type TrafficsDeps = Omit<TrafficDeps, 'fleet'> & {
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'refresh'>
  runs: Pick<Runs, 'findByInterface'>
  interfaces: TrafficInterfaces
  /** What all active traffic does now; called every few seconds, and when one ends. */
  observe(active: readonly TrafficFigures[]): void
}

/** All sustained traffic of this collector. It lives as long as the collector does, and is kept nowhere. */
export const createTraffics = (deps: TrafficsDeps) => {
  const { clock } = deps
  const active = new Map<string, ActiveTraffic>()
  const ended = new Map<string, Traffic>()
  const closing = new AbortController()

  const all = (): Traffic[] =>
    [...[...active.values()].map((traffic) => traffic.message()), ...ended.values()].sort((a, b) =>
      b.id.localeCompare(a.id),
    )
  const find = (id: string): Traffic => {
    const found =
      id === 'latest' ? all().slice(0, 1) : all().filter((traffic) => id !== '' && traffic.id.startsWith(id))
    if (found.length === 1) return found[0]!
    const text =
      found.length > 1
        ? `is the beginning of ${found.length} ids; write more of it`
        : 'is no traffic of this collector'
    throw new OperatingError(
      'NOT_FOUND',
      id === 'latest' ? 'there has been no traffic yet' : `"${id}" ${text}`,
    )
  }
  const observe = () => deps.observe([...active.values()].map((traffic) => traffic.figures()))
  const observing = (async () => {
    while (!closing.signal.aborted) {
      await clock.sleep(OBSERVE_SECONDS, closing.signal).catch(() => undefined)
      if (active.size > 0) observe()
    }
  })()

  const retire = (id: string) => {
    ended.set(id, active.get(id)!.message())
    active.delete(id)
    deps.interfaces.release(id)
    for (const oldest of ended.keys()) if (ended.size > MAX_ENDED) ended.delete(oldest)
    observe()
  }

  return {
    /** @throws OperatingError SPEC_INVALID, INTERFACES_BUSY, LIMIT_EXCEEDED, COLLECTOR_DRAINING; then nothing has begun */
    async start(spec: TrafficSpec): Promise<Traffic> {
      await deps.fleet.refresh()
      if (closing.signal.aborted)
        throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
      if (active.size >= MAX_ACTIVE)
        throw new OperatingError('LIMIT_EXCEEDED', `${active.size} traffics go on already; stop some`)
      const prepared = prepareTraffic(spec, deps.fleet.nodes())
      const interfaces = interfacesOfTraffic(prepared)
      const run = deps.runs.findByInterface(interfaces)
      if (run) {
        const text = `run ${run} has some of these interfaces to itself; wait for it ("meshgauge runs show ${run}"), or end it with "meshgauge runs cancel ${run}"`
        throw new OperatingError('INTERFACES_BUSY', text)
      }
      const id = uuidv7({ msecs: clock.now().getTime() })
      deps.interfaces.reserve(id, interfaces)
      const traffic = startTraffic(deps, id, prepared)
      active.set(id, traffic)
      void traffic.done.then(() => retire(id))
      return traffic.message()
    },

    /** By the id, an unambiguous beginning of it, or `latest`. @throws OperatingError NOT_FOUND */
    get: find,
    list: all,

    /** Those that do not move first, then by names. Of traffic that has ended there are none. @throws OperatingError NOT_FOUND */
    flows: (id: string, page: FlowPage): { flows: TrafficFlow[]; isLast: boolean } =>
      active.get(find(id).id)?.flows(page) ?? { flows: [], isLast: true },

    /** The traffic as it is, then each second that it changes; ends with it. @throws OperatingError NOT_FOUND */
    async *watch(id: string, signal: AbortSignal): AsyncGenerator<Traffic> {
      const first = find(id)
      let last = ''
      while (true) {
        const traffic = active.get(first.id)?.message() ?? ended.get(first.id) ?? first
        const text = JSON.stringify(traffic)
        if (text !== last) yield traffic
        last = text
        if (traffic.endTime) return
        await clock.sleep(WATCH_SECONDS, signal)
      }
    },

    /** Resolves when nothing of it is left; at once, when it has ended before. @throws OperatingError NOT_FOUND */
    async stop(id: string): Promise<Traffic> {
      const found = find(id)
      const traffic = active.get(found.id)
      if (!traffic) return found
      await traffic.stop('')
      return traffic.message()
    },

    async close(): Promise<void> {
      closing.abort()
      await Promise.all([...active.values()].map((traffic) => traffic.stop('the collector was shut down')))
      await observing
    },
  }
}

export type Traffics = ReturnType<typeof createTraffics>
