/** What an engine can measure. */
type EngineKind = 'ping' | 'streams' | 'transactions'

/** Every engine and what it measures. Agents have one folder for each in agent/engines. */
const ENGINES = {
  fping: ['ping'],
  ping: ['ping'],
  tcp: ['ping'],
  iperf3: ['streams'],
  netperf: ['streams', 'transactions'],
} as const satisfies Record<string, readonly EngineKind[]>

export type EngineName = keyof typeof ENGINES

export const ENGINE_NAMES = Object.keys(ENGINES) as [EngineName, ...EngineName[]]

/** Returns the engines that can measure something of this kind. */
export const enginesFor = (kind: EngineKind): [EngineName, ...EngineName[]] =>
  ENGINE_NAMES.filter((name) => (ENGINES[name] as readonly EngineKind[]).includes(kind)) as [
    EngineName,
    ...EngineName[],
  ]
