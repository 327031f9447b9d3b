/** The registry: each engine is one line here and one folder next to this file. */

import type { EngineDeps, EngineOptions, IperfEngine, PingEngine } from './engine.ts'
import { createFping } from './fping/engine.ts'
import { createIperf3 } from './iperf3/engine.ts'
import { createNetperf } from './netperf/engine.ts'
import { createIputils } from './ping/engine.ts'
import { createTcp } from './tcp/engine.ts'

export type Engines = {
  /** By name; the first one is the default. */
  ping: ReadonlyMap<string, PingEngine>
  iperf: ReadonlyMap<string, IperfEngine>
}

const byName = <E extends { name: string }>(engines: E[]): ReadonlyMap<string, E> =>
  new Map(engines.map((engine) => [engine.name, engine]))

export const createEngines = (deps: EngineDeps, options: EngineOptions): Engines => ({
  ping: byName([createFping(deps, options), createIputils(deps, options), createTcp(deps, options)]),
  iperf: byName([createIperf3(deps, options), createNetperf(deps, options)]),
})
