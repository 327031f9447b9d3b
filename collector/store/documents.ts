/** A small named record of another module. `kind` separates the modules; the store does not interpret `body`. */
export type StoredDocument = { kind: string; name: string; body: Uint8Array }

/** Small records of other modules by kind and name, such as the state of schedules. */
export type DocumentStore = {
  /** Writes all documents in one transaction, or none. */
  putDocuments(documents: readonly StoredDocument[]): void
  deleteDocument(kind: string, name: string): void
  documents(kind: string): Map<string, Uint8Array>
  /** Identifies this collector to its agents. Created with the store and never changed. */
  identity(): string
}
