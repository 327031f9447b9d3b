import { isIP } from 'node:net'
import { z } from 'zod'
import { closest, parseConfig, type ReviewProblem } from '../../lib/config.ts'
import { namesIn } from '../../lib/host-list.ts'
import { durationHint, parseDuration } from '../../lib/units.ts'
import { addressKey, nameKey, parseAgentAddress } from './agent-address.ts'
import { reviewStorage, storage } from './storage.ts'

/** Text, or a compressed list of Slurm, whose entries all satisfy `problemOf`. */
const listed = (problemOf: (entry: string) => string | undefined) =>
  z.string().transform((text, context): string[] => {
    const report = (message: string) => context.addIssue({ code: 'custom', message })
    const names = namesIn(text)
    if ('problem' in names) {
      report(names.problem)
      return []
    }
    for (const name of names) {
      const problem = problemOf(name)
      if (problem) report(names.length > 1 ? `${name} ${problem}` : problem)
    }
    return names
  })

const addressProblem = (text: string): string | undefined => {
  const parsed = parseAgentAddress(text)
  return 'problem' in parsed ? parsed.problem : undefined
}

const nameProblem = (text: string): string | undefined =>
  /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(text)
    ? undefined
    : 'a name has only letters, digits, ".", "_" and "-"'

const entry = z.strictObject({
  name: listed(nameProblem),
  address: listed(addressProblem),
  rack: z.string().default(''),
  labels: z.record(z.string(), z.coerce.string()).default({}),
  interfaces: z.array(z.string().min(1)).default([]),
})

/** One node of the config. */
export type InventoryNode = Omit<z.output<typeof entry>, 'name' | 'address'> & {
  name: string
  /** Address of the agent, as host:port. */
  address: string
}

/** An entry whose name and address are lists of Slurm is several nodes. */
const nodesOf = ({ name: names, address, ...others }: z.output<typeof entry>): InventoryNode[] =>
  names.map((name, index) => {
    const parsed = parseAgentAddress(address[index] ?? '')
    return { name, address: 'address' in parsed ? parsed.address : '', ...others }
  })

const node = entry.superRefine(({ name, address }, context) => {
  if (name.length === address.length || name.length === 0 || address.length === 0) return
  const message = `has ${address.length} addresses for ${name.length} names`
  context.addIssue({ code: 'custom', path: ['address'], message })
})

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
  nodes: z
    .array(node)
    .min(1, 'at least one node is needed')
    .transform((entries) => entries.flatMap(nodesOf)),
}

/** A node selector in the config (name, `key=value` or address) and its location. */
export type NamedNodes = { path: readonly PropertyKey[]; selector: unknown }

/** A part of the config that a later stage defines: its keys, cross-key checks, and its node selectors. */
export type ConfigSection<S extends z.ZodRawShape> = {
  shape: S
  review(raw: unknown): ReviewProblem[]
  namedNodes(raw: unknown): NamedNodes[]
}

type RawNode = { name?: unknown; address?: unknown } | null

/** The names or addresses of an entry. Wrong ones are left out: the schema reports them. */
const textsOf = (candidate: unknown, key: 'name' | 'address'): string[] => {
  const value = (candidate as RawNode)?.[key]
  const names = typeof value === 'string' ? namesIn(value) : []
  return 'problem' in names ? [] : names
}

const keyOf = (key: 'name' | 'address', text: string): string => {
  if (key === 'name') return nameKey(text)
  const parsed = parseAgentAddress(text)
  return addressKey('address' in parsed ? parsed.address : text)
}

const duplicateMessage = (key: 'name' | 'address', text: string, before: { text: string; owner: string }) => {
  const spelling = before.text === text ? '' : `, written ${before.text}`
  return key === 'name'
    ? `${text} is also the name of another node${spelling}`
    : `${text} is also the address of ${before.owner}${spelling}`
}

/** Finds names and addresses that occur twice, in any spelling. The raw content may have any type. */
const findDuplicates = (raw: unknown): ReviewProblem[] => {
  const nodes = (raw as { nodes?: unknown }).nodes
  if (!Array.isArray(nodes)) return []
  return (['name', 'address'] as const).flatMap((key) => {
    const first = new Map<string, { index: number; text: string; owner: string }>()
    return nodes.flatMap((candidate: unknown, index): ReviewProblem[] => {
      const owner = String((candidate as RawNode)?.name ?? `nodes[${index}]`)
      return textsOf(candidate, key).flatMap((text) => {
        const before = first.get(keyOf(key, text))
        if (before === undefined) {
          first.set(keyOf(key, text), { index, text, owner })
          return []
        }
        const message = duplicateMessage(key, text, before)
        return [{ path: ['nodes', index, key], message, also: ['nodes', before.index, key] }]
      })
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
  if (!Array.isArray(nodes) || named.length === 0) return []
  const names = nodes.flatMap((candidate) => textsOf(candidate, 'name'))
  const known = new Set([
    ...names.map(nameKey),
    ...nodes.flatMap((candidate) => textsOf(candidate, 'address').map((text) => keyOf('address', text))),
  ])
  const isKnown = (name: string) => known.has(nameKey(name)) || known.has(keyOf('address', name))
  return named.flatMap(({ path, selector }): ReviewProblem[] => {
    if (typeof selector !== 'string' || selector === '' || selector.includes('=')) return []
    const wanted = namesIn(selector)
    if ('problem' in wanted) return [{ path, message: wanted.problem }]
    return wanted
      .filter((name) => !isKnown(name) && isIP(name) === 0)
      .map((name) => {
        const meant = closest(name, names)
        return { path, message: `"${name}" names no node${meant ? `; did you mean ${meant}?` : ''}` }
      })
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
