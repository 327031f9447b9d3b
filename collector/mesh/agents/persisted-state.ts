import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { DocumentStore, StoredDocument } from '../../store/documents.ts'
import type { KnownAddresses } from '../assign/assignment.ts'
import type { PersistedOffset } from './agent-clock.ts'

/**
 * Buffers per-agent state until `flush` writes it in one transaction. When a large fleet connects at once, one write
 * replaces thousands.
 */
export const createPersistedState = (deps: {
  store: Pick<DocumentStore, 'documents' | 'putDocuments'>
  logger: Logger
}) => {
  const { store, logger } = deps
  /** By kind and name: at most a few per node. */
  let pending = new Map<string, StoredDocument>()
  let failed = false
  return {
    documents: store.documents,
    put: (kind: string, name: string, value: unknown): void => {
      pending.set(`${kind} ${name}`, { kind, name, body: new TextEncoder().encode(JSON.stringify(value)) })
    },
    /** Makes the buffered state durable. When the store fails it stays buffered for the next call. */
    flush: (): void => {
      if (pending.size === 0) return
      try {
        store.putDocuments([...pending.values()])
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        if (!failed) logger.warn({ reason: error.message }, 'the state of agents waits for the store')
        failed = true
        return
      }
      failed = false
      pending = new Map()
    },
  }
}

export type PersistedState = ReturnType<typeof createPersistedState>

const parse = <T>(schema: z.ZodType<T>, body: Uint8Array): T | undefined => {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(body)))
  } catch {
    // Written by an older version, or damaged: the value is learned again.
    return undefined
  }
}

/** Returns one persisted value per node, read once from the store and kept in memory. */
const createPersistedValues = <T>(kind: string, schema: z.ZodType<T>, persisted: PersistedState) => {
  const values = new Map([...persisted.documents(kind)].map(([node, body]) => [node, parse(schema, body)]))
  return {
    get: (node: string): T | undefined => values.get(node),
    set: (node: string, value: T): void => {
      values.set(node, value)
      persisted.put(kind, node, value)
    },
    entries: (): [node: string, value: T | undefined][] => [...values],
  }
}

const Addresses = z.record(z.string(), z.array(z.string()))

/** Returns the last addresses of each interface, so that a node that is down when the collector starts is probed. */
export const createKnownAddresses = (persisted: PersistedState): KnownAddresses => {
  const values = createPersistedValues('mesh-addresses', Addresses, persisted)
  return {
    get: (node, name) => values.get(node)?.[name] ?? [],
    set: (node, name, addresses) => {
      const known = values.get(node)
      if (isDeepStrictEqual(known?.[name], addresses)) return
      values.set(node, { ...known, [name]: [...addresses] })
    },
  }
}

const Offset = z.object({ session: z.string(), offsetMs: z.number() })

/** Returns the clock offset of each agent, so that a batch that is sent again after a restart gets the same times. */
export const createPersistedOffsets = (persisted: PersistedState) =>
  createPersistedValues<PersistedOffset>('mesh-clock', Offset, persisted)

/** The number of windows that an agent session has discarded and the collector has counted. */
export type PersistedDroppedCount = { session: string; droppedCount: number }
const DroppedCount = z.object({ session: z.string(), droppedCount: z.number() })

/** Returns the counted discards of each agent, so that a restarted collector does not count them twice. */
export const createPersistedDroppedCounts = (persisted: PersistedState) =>
  createPersistedValues<PersistedDroppedCount>('mesh-dropped', DroppedCount, persisted)
