import { OperatingError } from '../../../lib/errors.ts'
import type { CoverageStore } from '../../store/coverage.ts'
import type { DocumentStore } from '../../store/documents.ts'

/** A store in memory. Documents survive when a test closes the schedules; while `isFull`, changes fail. */
export const createMemoryStore = (): DocumentStore & CoverageStore & { isFull: boolean } => {
  const kinds = new Map<string, Map<string, Uint8Array>>()
  const documentsOf = (kind: string) => {
    const documents = kinds.get(kind) ?? new Map<string, Uint8Array>()
    kinds.set(kind, documents)
    return documents
  }
  const store = {
    isFull: false,
    putDocuments(given: Parameters<DocumentStore['putDocuments']>[0]) {
      throwIfFull()
      for (const { kind, name, body } of given) documentsOf(kind).set(name, body)
    },
    deleteDocument(kind: string, name: string) {
      throwIfFull()
      documentsOf(kind).delete(name)
    },
    documents: (kind: string) => new Map(documentsOf(kind)),
    identity: () => 'test',
    coverage: () => [],
    putCoverage: () => undefined,
  }
  const throwIfFull = () => {
    if (store.isFull) throw new OperatingError('STORE_UNAVAILABLE', 'the disk is full')
  }
  return store
}
