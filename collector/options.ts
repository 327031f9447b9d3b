import { readFile } from 'node:fs/promises'
import { ConfigError } from '../lib/config.ts'
import type { Security } from '../lib/credentials.ts'
import { OperatingError } from '../lib/errors.ts'
import {
  AUTOPILOT_DEFAULTS,
  type AutopilotConfig,
  type InventoryNode,
  type PeriodicCheck,
  readYamlConfig,
} from './inventory/config.ts'
import { decodeText } from './inventory/decode-text.ts'
import { readHostsList } from './inventory/hosts-list.ts'
import type { StorageConfig } from './inventory/storage.ts'
import { readConfiguredProfiles } from './profiles/configured.ts'
import type { Profile } from './profiles/profile.ts'
import { type ConfiguredSchedule, configuredSchedules } from './schedules/define/default-schedules.ts'
import { SCHEDULE_SECTION } from './schedules/define/schema.ts'
import { STORE_LIMITS, type StoreLimits } from './store/limits.ts'

/** The command-line options of a collector. An undefined one comes from the config file, then from the defaults. */
export type CollectorArguments = {
  /** The YAML config, or a text list of agents. */
  inventory: { kind: 'config' | 'hosts'; file: string }
  listen: string | undefined
  http: string | undefined
  store: string | undefined
  /** The Autopilot gateway; a port enables it. */
  autopilot: { port: number | undefined; address: string | undefined }
  /** False disables the default schedules. */
  defaultSchedules: boolean
  security: Security
  logLevel: string
}

/** The effective options of a collector. */
export type CollectorOptions = {
  /** Where to serve gRPC, `host:port`. */
  listen: string
  /** Where to serve /metrics and /healthz, `host:port`. */
  http: string
  /** The SQLite file; `:memory:` stores nothing on disk. */
  store: string
  /** Retention and maximum size. */
  storage: StoreLimits
  security: Security
  nodes: readonly InventoryNode[]
  /** Checks that run periodically. */
  checks: readonly PeriodicCheck[]
  /** The Autopilot gateway; undefined disables it. */
  autopilot: AutopilotConfig | undefined
  /** The schedules of the config, and the default schedules. */
  schedules: readonly ConfiguredSchedule[]
  /** The profiles of the config, in addition to the built-in ones. */
  profiles: readonly Profile[]
  logLevel: string
}

export const COLLECTOR_DEFAULTS = {
  listen: '127.0.0.1:50050',
  http: '127.0.0.1:9464',
  store: 'meshgauge.db',
} as const satisfies Partial<CollectorOptions>

type FullConfig = ReturnType<typeof readYamlConfig<typeof SCHEDULE_SECTION.shape>>
type Config = Partial<Omit<FullConfig, 'profiles'>> & Pick<FullConfig, 'nodes'> & { profiles?: Profile[] }

const readInventory = async ({ kind, file }: CollectorArguments['inventory']): Promise<Config> => {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    const message = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw new ConfigError(file, [{ line: 1, column: 1, path: '', message }])
  })
  const text = decodeText(file, bytes)
  if (kind === 'hosts') return { nodes: readHostsList(file, text) }
  const config = readYamlConfig(file, text, SCHEDULE_SECTION)
  // The text is parsed again for the profiles, which takes seconds for a large fleet.
  return { ...config, profiles: config.profiles ? readConfiguredProfiles(file, text) : [] }
}

const readAutopilot = (
  { port, address }: CollectorArguments['autopilot'],
  config: AutopilotConfig | undefined,
): AutopilotConfig | undefined => {
  if (port === undefined && config === undefined) {
    if (address === undefined) return undefined
    throw new OperatingError(
      'SPEC_INVALID',
      '--autopilot-address needs --autopilot-port, or autopilot in the config',
    )
  }
  const base = config ?? AUTOPILOT_DEFAULTS
  return { ...base, port: port ?? base.port, address: address ?? base.address }
}

/** Fills in the defaults, adjusted so that no finer level has a longer retention than a coarser one. */
const readStorage = (config: StorageConfig = {}): StoreLimits => {
  const { retention, maxBytes } = STORE_LIMITS
  const oneHour = config.one_hour ?? Math.max(retention.oneHour, config.five_minutes ?? 0, config.raw ?? 0)
  const fiveMinutes =
    config.five_minutes ?? Math.min(oneHour, Math.max(retention.fiveMinutes, config.raw ?? 0))
  return {
    retention: {
      raw: config.raw ?? Math.min(retention.raw, fiveMinutes),
      fiveMinutes,
      oneHour,
      events: config.events ?? retention.events,
      runs: config.runs ?? retention.runs,
    },
    maxBytes: config.max_size ?? maxBytes,
  }
}

/** Merges command-line options, config file and defaults. @throws ConfigError with the location of every problem */
export const readCollectorOptions = async (given: CollectorArguments): Promise<CollectorOptions> => {
  const config = await readInventory(given.inventory)
  return {
    listen: given.listen ?? config.listen ?? COLLECTOR_DEFAULTS.listen,
    http: given.http ?? config.http ?? COLLECTOR_DEFAULTS.http,
    store: given.store ?? config.store ?? COLLECTOR_DEFAULTS.store,
    storage: readStorage(config.storage),
    security: {
      tls: given.security.tls ?? config.tls,
      insecure: given.security.insecure ?? config.insecure,
    },
    nodes: config.nodes,
    checks: config.checks ?? [],
    autopilot: readAutopilot(given.autopilot, config.autopilot),
    schedules: configuredSchedules(
      config.schedules,
      given.defaultSchedules && (config.default_schedules ?? true),
    ),
    profiles: config.profiles ?? [],
    logLevel: given.logLevel,
  }
}
