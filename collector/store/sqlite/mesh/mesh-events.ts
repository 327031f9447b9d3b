import { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import { pageSizeOf } from '../../../../lib/paging.ts'
import { fromTimestamp } from '../../../../lib/protobuf-time.ts'
import { EVENT_LIST, type Row, readRowToken, takePage } from '../../paging.ts'
import type { WindowStore } from '../../windows.ts'
import type { Connection } from '../connection.ts'

export type MeshEvents = Pick<WindowStore, 'meshEvents' | 'writtenMeshEvents'> & {
  /** Must be called within a transaction. */
  put(events: readonly MeshEvent[]): void
}

const COLUMNS = 'SELECT key, body FROM events WHERE milliseconds >= ?1 AND milliseconds < ?2'
/** Newest first; events of the same millisecond in the reverse order of their arrival. */
const BEFORE = '(milliseconds, key) < (?3, ?4) ORDER BY milliseconds DESC, key DESC LIMIT ?5'

export const createMeshEvents = ({ database, figures, guarded, readable }: Connection): MeshEvents => {
  const insert = database.prepare(
    'INSERT INTO events (milliseconds, source, destination, body) VALUES (?, ?, ?, ?)',
  )
  const timeOf = database.prepare('SELECT milliseconds FROM events WHERE key = ?')
  const all = database.prepare(`${COLUMNS} AND ${BEFORE}`)
  const ofNode = database.prepare(`${COLUMNS} AND (source = ?6 OR destination = ?6) AND ${BEFORE}`)
  const written = database.prepare('SELECT key, body FROM events WHERE key < ? ORDER BY key DESC LIMIT ?')
  const decoded = (rows: Iterable<unknown>, limit: number) => {
    const { page, nextPageToken } = takePage(EVENT_LIST, rows as Iterable<Row>, limit)
    const events = page.flatMap(
      ({ key, body }) => readable('events', String(key), () => MeshEvent.decode(body)) ?? [],
    )
    return { events, nextPageToken }
  }

  return {
    put: (events) => {
      for (const event of events) {
        const milliseconds = fromTimestamp(event.time)?.getTime() ?? 0
        const body = MeshEvent.encode(event).finish()
        insert.run(milliseconds, event.source?.node ?? '', event.destination?.node ?? '', body)
      }
      if (events.length > 0) figures.add('events', events.length)
    },
    meshEvents: ({ node, fromMs, toMs }, { size, token }) =>
      guarded(() => {
        const last = readRowToken(EVENT_LIST, token)
        const limit = pageSizeOf(size)
        let before = [toMs, 0]
        if (last !== undefined) {
          const time = timeOf.get(last)
          // The last event of the previous page has been removed, and so have all older ones.
          if (!time) return { events: [], nextPageToken: '' }
          before = [Number(time.milliseconds), last]
        }
        const range = [fromMs, toMs, before[0]!, before[1]!, limit + 1]
        const found =
          node === undefined || node === '' ? all.iterate(...range) : ofNode.iterate(...range, node)
        return decoded(found, limit)
      }),
    writtenMeshEvents: ({ size, token }) =>
      guarded(() => {
        const last = readRowToken(EVENT_LIST, token) ?? Number.MAX_SAFE_INTEGER
        const limit = pageSizeOf(size)
        return decoded(written.iterate(last, limit + 1), limit)
      }),
  }
}
