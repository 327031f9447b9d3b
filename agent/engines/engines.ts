/** The registry of the agent's engines. An engine is a name in lib/engines.ts, a line here and a folder in this folder. */

import { ENGINES, type IperfEngineName, type PingEngineName } from '../../lib/engines.ts'
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

type Create<E> = (deps: EngineDeps, options: EngineOptions) => E

const PING: Record<PingEngineName, Create<PingEngine>> = {
  fping: createFping,
  ping: createIputils,
  tcp: createTcp,
}

const IPERF: Record<IperfEngineName, Create<IperfEngine>> = {
  iperf3: createIperf3,
  netperf: createNetperf,
}

export const createEngines = (deps: EngineDeps, options: EngineOptions): Engines => ({
  ping: new Map(ENGINES.ping.map((name) => [name, PING[name](deps, options)])),
  iperf: new Map(ENGINES.iperf.map((name) => [name, IPERF[name](deps, options)])),
})
