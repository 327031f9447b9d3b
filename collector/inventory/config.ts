import { z } from 'zod'
import { parseConfig, type ReviewProblem } from '../../lib/config.ts'

const DEFAULT_AGENT_PORT = 50051

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/

/** `host`, `host:port`, `v6` or `[v6]:port` as `host:port`, with the agents' usual port filled in; undefined when it is none. */
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

/** One host as the operator wrote it down. */
export type InventoryNode = z.output<typeof node>

const tls = z.strictObject({ ca: z.string(), cert: z.string(), key: z.string() })

const schema = z.strictObject({
  listen: z.string().optional(),
  http: z.string().optional(),
  store: z.string().optional(),
  insecure: z.boolean().optional(),
  tls: tls.optional(),
  nodes: z.array(node).min(1, 'at least one node is needed'),
})

/** Names and addresses that occur twice. Looks at raw content, which may be anything. */
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

/** The collector's config file. */
export type CollectorConfig = z.output<typeof schema>

/** @throws ConfigError listing every problem with its place */
export const readYamlConfig = (file: string, text: string): CollectorConfig =>
  parseConfig(file, text, schema, findDuplicates)
