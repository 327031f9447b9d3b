import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import type { DocumentStore } from '../../store/documents.ts'
import { DOCUMENT_KIND, decodeRecord, encodeRecord, type ScheduleRecord } from './schedule-record.ts'

/** The records of all schedules in the store, one document each. */
export class ScheduleDocuments {
  readonly #store: DocumentStore
  readonly #logger: Logger

  constructor({ documents, logger }: { documents: DocumentStore; logger: Logger }) {
    this.#store = documents
    this.#logger = logger
  }

  /** All readable records by name. Unreadable ones are logged and left out. */
  load(): Map<string, ScheduleRecord> {
    const records = new Map<string, ScheduleRecord>()
    for (const [name, body] of this.#store.documents(DOCUMENT_KIND)) {
      const record = decodeRecord(body)
      if (record) records.set(name, record)
      else this.#logger.error({ schedule: name }, 'a stored schedule cannot be read and is ignored')
    }
    return records
  }

  /** @throws OperatingError STORE_UNAVAILABLE */
  put(record: ScheduleRecord): void {
    this.#store.putDocuments([{ kind: DOCUMENT_KIND, name: record.spec.name, body: encodeRecord(record) }])
  }

  /** @throws OperatingError STORE_UNAVAILABLE */
  delete(name: string): void {
    this.#store.deleteDocument(DOCUMENT_KIND, name)
  }

  /** As `put`, but a store that fails is only logged: the next change, or the next start of the collector, tries again. */
  tryPut(record: ScheduleRecord): void {
    this.#try(record.spec.name, () => this.put(record))
  }

  /** As `delete`, but a store that fails is only logged. */
  tryDelete(name: string): void {
    this.#try(name, () => this.delete(name))
  }

  #try(schedule: string, change: () => void): void {
    try {
      change()
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      this.#logger.error({ schedule, reason: error.message }, 'a schedule could not be stored')
    }
  }
}
