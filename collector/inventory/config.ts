import { isIP } from 'node:net'
import { z } from 'zod'
import { closest, parseConfig, type ReviewProblem } from '../../lib/config.ts'
import { durationHint, parseDuration } from '../../lib/units.ts'
import { reviewStorage, storage } from './storage.ts'

const DEFAULT_AGENT_PORT = 50051

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/

/** Parses `host`, `host:port`, `v6` or `[v6]:port` into `host:port`, with the default agent port; undefined when invalid. */
export const agentAddress = (text: string): string | undefined => {
  if (/^[0-9a-fA-F:.]+$/.test(text) && text.split(':').length > 2) return `[${text}]:${DEFAULT_AGENT_PORT}`
  const match = HOST_PORT.exec(text)
  if (!match) return undefined
  const port = Number(match[2] ?? DEFAULT_AGENT_PORT)
  return port >= 1 && port <= 65535 ? `${match[1]}:${port}` : undefined
}

const address = z
  .string()
  .refine((text) => agentAddress(text) !== undefined, 'not an address; write host, host:port or [v6]:port')
  .transform((text) => agentAddress(text) ?? text)

const name = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/, 'a name has only letters, digits, ".", "_" and "-"')

const node = z.strictObject({
  name,
  address,
  rack: z.string().default(''),
  labels: z.record(z.string(), z.coerce.string()).default({}),
  interfaces: z.array(z.string().min(1)).default([]),
})

/** One node of the config. */
export type InventoryNode = z.output<typeof node>

const tls = z.strictObject({ ca: z.string(), cert: z.string(), key: z.string() })

/** Shortest interval of a check, so that checks use little of a node's time. */
const MIN_EVERY_SECONDS = 1

/** A duration above 0, in seconds. */
const interval = z.unknown().transform((value, context): number => {
  const seconds = typeof value === 'string' && value !== '0' ? parseDuration(value) : undefined
  const text = typeof value === 'string' ? `"${value}"` : JSON.stringify(value)
  const message =
    value === undefined
      ? 'is missing: a duration such as 1h'
      : value === 0 || value === '0' || seconds === 0
        ? 'must be more than 0; to stop the check, take its entry out'
        : seconds === undefined
          ? `${text} is not a duration; ${durationHint(String(value))}`
          : seconds < MIN_EVERY_SECONDS
            ? `must be at least ${MIN_EVERY_SECONDS}s`
            : undefined
  if (message !== undefined) context.addIssue({ code: 'custom', message })
  return seconds ?? 0
})

const periodicCheck = z.strictObject({
  check: z.string().regex(/^[a-z][a-z0-9_-]*$/, 'not the name of a check; write one such as interfaces'),
  every: interval,
  nodes: z.array(z.string().min(1)).default([]),
  parameters: z.record(z.string(), z.json()).default({}),
})

/** A check that runs periodically. `every` is in seconds. Empty `nodes` means all. */
export type PeriodicCheck = z.output<typeof periodicCheck>

const autopilot = z.strictObject({
  port: z.int().min(1, 'must be 1 to 65535').max(65535, 'must be 1 to 65535').default(3333),
  address: z
    .string()
    .refine((text) => isIP(text) !== 0, 'not an IP address')
    .default('127.0.0.1'),
  bw: z.number().positive('must be more than 0, in GB/s').default(4),
  checks: z
    .array(z.string().min(1))
    .min(1, 'at least one check is needed')
    .default(['pciebw', 'remapped', 'dcgm', 'ping', 'gpupower']),
})

/** The HTTP gateway with the API of IBM Autopilot: address, PCIe threshold `bw` in GB/s, and the checks of `all`. */
export type AutopilotConfig = z.output<typeof autopilot>

/** Settings of the gateway without a config. */
export const AUTOPILOT_DEFAULTS: AutopilotConfig = autopilot.parse({})

const shape = {
  listen: z.string().optional(),
  http: z.string().optional(),
  store: z.string().optional(),
  insecure: z.boolean().optional(),
  tls: tls.optional(),
  checks: z.array(periodicCheck).default([]),
  autopilot: autopilot.optional(),
  storage: storage.optional(),
  nodes: z.array(node).min(1, 'at least one node is needed'),
}

/** A node selector in the config (name, `key=value` or address) and its location. */
export type NamedNodes = { path: readonly PropertyKey[]; selector: unknown }

/** A part of the config that a later stage defines: its keys, cross-key checks, and its node selectors. */
export type ConfigSection<S extends z.ZodRawShape> = {
  shape: S
  review(raw: unknown): ReviewProblem[]
  namedNodes(raw: unknown): NamedNodes[]
}

/** Finds names and addresses that occur twice. The raw content may have any type. */
const findDuplicates = (raw: unknown): ReviewProblem[] => {
  const nodes = (raw as { nodes?: unknown }).nodes
  if (!Array.isArray(nodes)) return []
  return (['name', 'address'] as const).flatMap((key) => {
    const first = new Map<string, number>()
    return nodes.flatMap((candidate: unknown, index): ReviewProblem[] => {
      const value = (candidate as Record<string, unknown> | null)?.[key]
      if (typeof value !== 'string') return []
      const same = key === 'address' ? (agentAddress(value) ?? value) : value
      const before = first.get(same)
      if (before === undefined) {
        first.set(same, index)
        return []
      }
      const owner = String((nodes[before] as Record<string, unknown>).name ?? `nodes[${before}]`)
      const message =
        key === 'name'
          ? `${value} is also the name of another node`
          : `${value} is also the address of ${owner}`
      return [{ path: ['nodes', index, key], message, also: ['nodes', before, key] }]
    })
  })
}

const nodesOfChecks = (raw: unknown): NamedNodes[] => {
  const { checks } = raw as { checks?: unknown }
  if (!Array.isArray(checks)) return []
  return checks.flatMap((entry: unknown, index) => {
    const selectors = (entry as { nodes?: unknown } | null)?.nodes
    if (!Array.isArray(selectors)) return []
    return selectors.map((selector: unknown, position) => ({
      path: ['checks', index, 'nodes', position],
      selector,
    }))
  })
}

/** Finds selectors with an unknown name. Labels and addresses are known only when agents answer. */
const findUnknownNodes = (raw: unknown, named: readonly NamedNodes[]): ReviewProblem[] => {
  const { nodes } = raw as { nodes?: unknown }
  if (!Array.isArray(nodes)) return []
  const texts = (key: 'name' | 'address') =>
    nodes.flatMap((candidate: unknown) => {
      const value = (candidate as Record<string, unknown> | null)?.[key]
      return typeof value === 'string' ? [value] : []
    })
  const names = texts('name')
  const known = new Set([...names, ...texts('address').flatMap((text) => [text, agentAddress(text) ?? text])])
  return named.flatMap(({ path, selector }): ReviewProblem[] => {
    if (typeof selector !== 'string' || selector === '' || known.has(selector)) return []
    if (selector.includes('=') || isIP(selector) !== 0) return []
    const meant = closest(selector, names)
    return [{ path, message: `"${selector}" names no node${meant ? `; did you mean ${meant}?` : ''}` }]
  })
}

/** The schema of the collector's config file with the keys of a later stage. */
export const configSchema = <S extends z.ZodRawShape>(section: Pick<ConfigSection<S>, 'shape'>) =>
  z.strictObject({ ...shape, ...section.shape })

/** Parses the collector's config file. @throws ConfigError with the location of every problem */
export const readYamlConfig = <S extends z.ZodRawShape>(
  file: string,
  text: string,
  section: ConfigSection<S>,
) =>
  parseConfig(file, text, configSchema(section), (raw) => [
    ...findDuplicates(raw),
    ...findUnknownNodes(raw, [...nodesOfChecks(raw), ...section.namedNodes(raw)]),
    ...section.review(raw),
    ...reviewStorage(raw),
  ])
