import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { DocumentStore } from '../store/windows.ts'
import type { KeptOffset } from './agent-clock.ts'
import type { KnownAddresses } from './assignment.ts'

/** The kind of document that says by what offset an agent's windows are placed, by node. */
const KIND = 'mesh-clock'

const Kept = z.object({ session: z.string(), offsetMs: z.number() })

type KeeperDeps = { store: Pick<DocumentStore, 'documents' | 'putDocument'>; logger: Logger }

const write = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** What cannot be kept now is known all the same until the collector stops. */
const keep = (put: () => void, logger: Logger, node: string): void => {
  try {
    put()
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error
    logger.warn({ node, reason: error.message }, 'what is known of an agent could not be kept')
  }
}

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
export const createKnownAddresses = ({ store, logger }: KeeperDeps): KnownAddresses => {
  const known = new Map(
    [...store.documents(ADDRESSES)].map(([node, body]) => [node, parse(Addresses, body) ?? {}]),
  )
  return {
    get: (node, name) => known.get(node)?.[name] ?? [],
    set: (node, name, addresses) => {
      const before = known.get(node)
      if (isDeepStrictEqual(before?.[name], addresses)) return
      const after = { ...before, [name]: [...addresses] }
      known.set(node, after)
      keep(() => store.putDocument(ADDRESSES, node, write(after)), logger, node)
    },
  }
}

/** What is known of each node's agent and outlives the collector. */
const createKept = <T>(kind: string, schema: z.ZodType<T>, { store, logger }: KeeperDeps) => {
  const known = new Map([...store.documents(kind)].map(([node, body]) => [node, parse(schema, body)]))
  return {
    of: (node: string): T | undefined => known.get(node),
    keep: (node: string, kept: T): void => {
      known.set(node, kept)
      keep(() => store.putDocument(kind, node, write(kept)), logger, node)
    },
  }
}

/** Offsets of agents' clocks, kept so that a batch that comes again after a restart has the same times again. */
export const createOffsets = (deps: KeeperDeps) => createKept<KeptOffset>(KIND, Kept, deps)

/** How many windows a session has thrown away and said so, kept so that they are told of once. */
export type KeptDropped = { session: string; droppedCount: number }
const Dropped = z.object({ session: z.string(), droppedCount: z.number() })
export const createDroppedCounts = (deps: KeeperDeps) =>
  createKept<KeptDropped>('mesh-dropped', Dropped, deps)
