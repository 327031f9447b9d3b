import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { DocumentStore, StoredDocument } from '../../store/windows.ts'
import type { KnownAddresses } from '../assign/assignment.ts'
import type { PersistedOffset } from './agent-clock.ts'

/** The kind of document that says by what offset an agent's windows are placed, by node. */
const KIND = 'mesh-clock'

const Kept = z.object({ session: z.string(), offsetMs: z.number() })

/**
 * What is to be kept of agents, until `flush`: when a fleet comes all at once, each of them would else wait for the disk
 * by itself.
 */
export const createPersistedState = (deps: {
  store: Pick<DocumentStore, 'documents' | 'putDocuments'>
  logger: Logger
}) => {
  const { store, logger } = deps
  /** By kind and name: as many as there are nodes, at most. */
  let waiting = new Map<string, StoredDocument>()
  let failed = false
  return {
    documents: store.documents,
    put: (kind: string, name: string, value: unknown): void => {
      waiting.set(`${kind} ${name}`, { kind, name, body: new TextEncoder().encode(JSON.stringify(value)) })
    },
    /** Makes it durable; what cannot be now waits for the next time. */
    flush: (): void => {
      if (waiting.size === 0) return
      try {
        store.putDocuments([...waiting.values()])
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        if (!failed) logger.warn({ reason: error.message }, 'what is known of agents waits for the store')
        failed = true
        return
      }
      failed = false
      waiting = new Map()
    },
  }
}

export type PersistedState = ReturnType<typeof createPersistedState>

const parse = <T>(schema: z.ZodType<T>, body: Uint8Array): T | undefined => {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(body)))
  } catch {
    // Of an older version, or damaged: it is learned anew.
    return undefined
  }
}

/** The kind of document that says which addresses a node's interfaces last had, by node. */
const ADDRESSES = 'mesh-addresses'
const Addresses = z.record(z.string(), z.array(z.string()))

/** Addresses of interfaces, kept so that a node that is down when the collector starts is probed all the same. */
export const createKnownAddresses = (keeping: PersistedState): KnownAddresses => {
  const known = new Map(
    [...keeping.documents(ADDRESSES)].map(([node, body]) => [node, parse(Addresses, body) ?? {}]),
  )
  return {
    get: (node, name) => known.get(node)?.[name] ?? [],
    set: (node, name, addresses) => {
      const before = known.get(node)
      if (isDeepStrictEqual(before?.[name], addresses)) return
      const after = { ...before, [name]: [...addresses] }
      known.set(node, after)
      keeping.put(ADDRESSES, node, after)
    },
  }
}

/** What is known of each node's agent and outlives the collector. */
const createPersistedValues = <T>(kind: string, schema: z.ZodType<T>, keeping: PersistedState) => {
  const known = new Map([...keeping.documents(kind)].map(([node, body]) => [node, parse(schema, body)]))
  return {
    of: (node: string): T | undefined => known.get(node),
    keep: (node: string, kept: T): void => {
      known.set(node, kept)
      keeping.put(kind, node, kept)
    },
  }
}

/** Offsets of agents' clocks, kept so that a batch that comes again after a restart has the same times again. */
export const createOffsets = (keeping: PersistedState) =>
  createPersistedValues<PersistedOffset>(KIND, Kept, keeping)

/** How many windows a session has thrown away and said so, kept so that they are told of once. */
export type PersistedDroppedCount = { session: string; droppedCount: number }
const Dropped = z.object({ session: z.string(), droppedCount: z.number() })
export const createDroppedCounts = (keeping: PersistedState) =>
  createPersistedValues<PersistedDroppedCount>('mesh-dropped', Dropped, keeping)
