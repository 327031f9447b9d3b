import type { DocumentStore } from '../documents.ts'
import type { Connection } from './connection.ts'

export const createDocuments = ({ database, guarded, write }: Connection): DocumentStore => {
  const put = database.prepare(
    'INSERT INTO documents (kind, name, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
  )
  const remove = database.prepare('DELETE FROM documents WHERE kind = ? AND name = ?')
  const ofKind = database.prepare('SELECT name, body FROM documents WHERE kind = ? ORDER BY name')
  const identity = guarded(() => String(database.prepare('SELECT identity FROM collector').get()?.identity))
  return {
    putDocuments: (documents) => {
      write(() => {
        for (const { kind, name, body } of documents) put.run(kind, name, body)
      })
    },
    deleteDocument: (kind, name) => {
      write(() => remove.run(kind, name))
    },
    documents: (kind) =>
      guarded(() => new Map(ofKind.all(kind).map(({ name, body }) => [String(name), body as Uint8Array]))),
    identity: () => identity,
  }
}
