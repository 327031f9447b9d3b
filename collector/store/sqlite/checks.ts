import { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { CheckStore, NodeCheck } from '../store.ts'
import type { Connection } from './connection.ts'

const prepare = ({ database }: Connection) => ({
  putCheck: database.prepare(
    `INSERT INTO checks (node, name, body) VALUES (?, ?, ?)
     ON CONFLICT (node, name) DO UPDATE SET body = excluded.body`,
  ),
  checks: database.prepare('SELECT node, name, body FROM checks ORDER BY node, name'),
  checksOfNode: database.prepare('SELECT node, name, body FROM checks WHERE node = ? ORDER BY name'),
})

export const createCheckStore = (connection: Connection): CheckStore => {
  const { guarded, readable, write } = connection
  const sql = guarded(() => prepare(connection))
  return {
    putChecks: (checks) => {
      if (checks.length === 0) return
      write(() => {
        for (const { node, record } of checks) {
          sql.putCheck.run(node, record.result?.check ?? '', CheckRecord.encode(record).finish())
        }
      })
    },
    checks: (node) =>
      guarded(() => {
        const found = node === undefined ? sql.checks.all() : sql.checksOfNode.all(node)
        return found.flatMap((row): NodeCheck[] => {
          const owner = String(row.node)
          const decode = () => CheckRecord.decode(row.body as Uint8Array)
          const record = readable('checks', `${row.name} of ${owner}`, decode)
          return record ? [{ node: owner, record }] : []
        })
      }),
  }
}
