import { z } from 'zod'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { DocumentStore } from '../store/windows.ts'
import type { KeptOffset } from './agent-clock.ts'

/** The kind of document that says by what offset an agent's windows are placed, by node. */
const KIND = 'mesh-clock'

const Kept = z.object({ session: z.string(), offsetMs: z.number() })

const parse = (body: Uint8Array): KeptOffset | undefined => {
  try {
    return Kept.parse(JSON.parse(new TextDecoder().decode(body)))
  } catch {
    // Of an older version, or damaged: it is learned anew.
    return undefined
  }
}

/** Offsets of agents' clocks, kept so that a batch that comes again after a restart has the same times again. */
export const createOffsets = ({
  store,
  logger,
}: {
  store: Pick<DocumentStore, 'documents' | 'putDocument'>
  logger: Logger
}) => {
  const known = new Map([...store.documents(KIND)].map(([node, body]) => [node, parse(body)]))
  return {
    of: (node: string): KeptOffset | undefined => known.get(node),
    keep: (node: string, kept: KeptOffset): void => {
      known.set(node, kept)
      try {
        store.putDocument(KIND, node, new TextEncoder().encode(JSON.stringify(kept)))
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error
        // Windows that come twice after a restart may then be there twice, some milliseconds apart.
        logger.warn({ node, reason: error.message }, "the offset of an agent's clock could not be kept")
      }
    },
  }
}
