import type { DatabaseSync } from 'node:sqlite'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'
import { Run as RunMessage, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { pageSizeOf } from '../../../lib/paging.ts'
import { fromTimestamp, toTimestamp } from '../../../lib/protobuf-time.ts'
import { isMeasured } from '../../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../../dispatch/pair-result.ts'
import { pairResultMessage, pairResultOf } from '../../dispatch/pair-result-message.ts'
import { pairKey } from '../../inventory/keys.ts'
import { type Page, RESULT_LIST, type Row, RUN_LIST, readRowToken, takePage } from '../paging.ts'
import type { Run } from '../run.ts'
import { runMessage, runOf } from '../run-message.ts'
import { type LastMeasured, type RunStore, withoutHostSamples } from '../store.ts'
import type { Connection } from './connection.ts'
import type { Coverage } from './coverage.ts'
import { PUT_LAST_MEASURED } from './measured-times.ts'

const prepare = (database: DatabaseSync) => ({
  insertRun: database.prepare('INSERT INTO runs (id, state, body, request) VALUES (?, ?, ?, ?)'),
  updateRun: database.prepare('UPDATE runs SET state = ?, body = ? WHERE id = ?'),
  runKey: database.prepare('SELECT key FROM runs WHERE id = ?'),
  latestRun: database.prepare('SELECT id FROM runs ORDER BY key DESC LIMIT 1'),
  // An id consists of hexadecimal digits and hyphens, so every id with the prefix sorts before the prefix followed by g.
  runsLike: database.prepare("SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 6"),
  runBody: database.prepare('SELECT id, body FROM runs WHERE id = ?'),
  runOfRequest: database.prepare('SELECT id, body FROM runs WHERE request = ?'),
  runsBefore: database.prepare('SELECT key, id, body FROM runs WHERE key < ? ORDER BY key DESC LIMIT ?'),
  unfinishedRuns: database.prepare('SELECT key, id, body FROM runs WHERE state IN (1, 2) ORDER BY key'),
  putResult: database.prepare(
    `INSERT INTO results (run, pair, outcome, body) VALUES (?, ?, ?, ?)
     ON CONFLICT (run, pair) DO UPDATE SET outcome = excluded.outcome, body = excluded.body`,
  ),
  resultBody: database.prepare('SELECT key, body FROM results WHERE run = ? AND pair = ?'),
  replaceResult: database.prepare('UPDATE results SET body = ? WHERE key = ?'),
  resultsAfter: database.prepare(
    'SELECT key, body FROM results WHERE run = ? AND key > ? ORDER BY key LIMIT ?',
  ),
  resultBodies: database.prepare('SELECT key, body FROM results WHERE run = ? ORDER BY key'),
  resultCounts: database.prepare('SELECT outcome, count(*) AS n FROM results WHERE run = ? GROUP BY outcome'),
  insertMeasured: database.prepare(PUT_LAST_MEASURED),
  measured: database.prepare('SELECT node, test, milliseconds FROM last_measured WHERE milliseconds <= ?'),
})

const encodeRun = (run: Run): Uint8Array => RunMessage.encode(runMessage(run)).finish()
const encodeResult = (result: PairResult): Uint8Array =>
  PairResultMessage.encode(pairResultMessage(result)).finish()

type Statements = ReturnType<typeof prepare>
type RunRow = Row & { id: string }

/** Decodes stored records. A damaged one is reported, and undefined. */
const createDecoder = ({ readable }: Connection) => ({
  run: ({ id, body }: Omit<RunRow, 'key'>): Run | undefined =>
    readable('runs', id, () => runOf(RunMessage.decode(body))),
  result: ({ key, body }: Row): PairResult | undefined =>
    readable('results', String(key), () => pairResultOf(PairResultMessage.decode(body))),
})
type Decoder = ReturnType<typeof createDecoder>

/** node:sqlite has no row types. The cast is safe because the tables are STRICT. */
const rows = <R extends Row>(found: unknown): Iterable<R> => found as Iterable<R>

const findId = (sql: Statements, requested: string): string => {
  if (requested === 'latest') {
    const latest = sql.latestRun.get()
    if (!latest) throw new OperatingError('NOT_FOUND', 'there is no run yet')
    return String(latest.id)
  }
  const prefix = requested.toLowerCase()
  const candidates = /^[0-9a-f-]+$/.test(prefix) ? sql.runsLike.all(prefix).map(({ id }) => String(id)) : []
  if (candidates.length === 0) throw new OperatingError('NOT_FOUND', `there is no run ${requested}`)
  if (candidates.length > 1 && candidates[0] !== prefix) {
    const list = `${candidates.slice(0, 5).join(', ')}${candidates.length > 5 ? ' and more' : ''}`
    throw new OperatingError('NOT_FOUND', `more than one run begins with ${requested}: ${list}`)
  }
  return candidates[0]!
}

/** @throws OperatingError RECORD_DAMAGED */
const readRun = (decode: Decoder, found: unknown): Run => {
  const row = found as RunRow
  const run = decode.run(row)
  if (run) return run
  throw new OperatingError('RECORD_DAMAGED', `the stored record of run ${row.id} is damaged`)
}

const keyOf = (sql: Statements, id: string): number => {
  const row = sql.runKey.get(id)
  if (!row) throw new Error(`run ${id} was never created`)
  return Number(row.key)
}

/** Stores the latest time per node and test: few rows for any number of results. */
const putLastMeasured = (sql: Statements, results: readonly PairResult[], until: number): void => {
  const latest = new Map<string, { node: string; test: string; milliseconds: number }>()
  for (const result of results) {
    const { source, destination, values } = result
    const ended = fromTimestamp(result.endTime)
    if (!isMeasured(result) || !values || !ended || ended.getTime() > until) continue
    for (const end of [source, destination]) {
      const key = `${values.kind} ${end.node}`
      const milliseconds = Math.max(ended.getTime(), latest.get(key)?.milliseconds ?? 0)
      latest.set(key, { node: end.node, test: values.kind, milliseconds })
    }
  }
  for (const { node, test, milliseconds } of latest.values())
    sql.insertMeasured.run(node, test, milliseconds, until)
}

const interrupted = (
  sql: Statements,
  decode: Decoder,
  row: RunRow,
  { reason, now }: { reason: string; now: Date },
): Run | undefined => {
  const run = decode.run(row)
  if (!run) return undefined
  let [doneCount, measuredCount, lastEnd] = [0, 0, 0]
  for (const { outcome, n } of sql.resultCounts.all(row.key)) {
    doneCount += Number(n)
    if (outcome === Outcome.OUTCOME_MEASURED) measuredCount += Number(n)
  }
  for (const stored of rows(sql.resultBodies.iterate(row.key))) {
    const end = fromTimestamp(decode.result(stored)?.endTime)
    lastEnd = Math.max(lastEnd, end?.getTime() ?? 0)
  }
  return {
    ...run,
    state: RunState.RUN_STATE_INTERRUPTED,
    stateReason: reason,
    endTime: toTimestamp(lastEnd > 0 ? new Date(lastEnd) : now),
    progress: {
      ...run.progress,
      doneCount,
      measuredCount,
      remaining: undefined,
    },
  }
}

const lastMeasured = (sql: Statements, until: number): Map<string, LastMeasured> => {
  const nodes = new Map<string, LastMeasured>()
  for (const { node, test, milliseconds } of sql.measured.all(until)) {
    const known = nodes.get(String(node)) ?? {}
    nodes.set(String(node), { ...known, [String(test)]: new Date(Number(milliseconds)) })
  }
  return nodes
}

const listRuns = (sql: Statements, decode: Decoder, { size, token }: Page) => {
  const before = readRowToken(RUN_LIST, token) ?? Number.MAX_SAFE_INTEGER
  const limit = pageSizeOf(size)
  const found = rows<RunRow>(sql.runsBefore.iterate(before, limit + 1))
  const { page, nextPageToken } = takePage(RUN_LIST, found, limit)
  return { runs: page.flatMap((row) => decode.run(row) ?? []), nextPageToken }
}

const listResults = (sql: Statements, decode: Decoder, id: string, { size, token }: Page) => {
  const run = keyOf(sql, findId(sql, id))
  const after = readRowToken(RESULT_LIST, token) ?? 0
  const limit = pageSizeOf(size)
  const found = rows(sql.resultsAfter.iterate(run, after, limit + 1))
  const { page, nextPageToken } = takePage(RESULT_LIST, found, limit)
  return { results: page.flatMap((row) => decode.result(row) ?? []), nextPageToken }
}

/** Marks results as bad. Their samples stay as they are. */
const markResults = (sql: Statements, decode: Decoder, run: number, pairs: readonly EndpointPair[]): void => {
  for (const { source, destination } of pairs) {
    const row = sql.resultBody.get(run, pairKey(source, destination))
    const result = row && decode.result(row as Row)
    if (!result) continue
    sql.replaceResult.run(encodeResult({ ...result, isMarked: true }), row.key as number)
  }
}

/** @param latest returns the latest plausible time of a measurement, in Unix milliseconds */
export const createRunStore = (
  connection: Connection,
  coverage: Coverage,
  latest: () => number,
): RunStore => {
  const { database, figures, guarded, write } = connection
  const sql = guarded(() => prepare(database))
  const decode = createDecoder(connection)
  return {
    createRun: (run) => {
      write(() => {
        sql.insertRun.run(run.id, run.state, encodeRun(run), run.requestId || null)
        figures.add('runs', 1)
      })
    },
    updateRun: (run, marked = []) => {
      const { changes } = write(() => {
        if (marked.length > 0) markResults(sql, decode, keyOf(sql, run.id), marked)
        return sql.updateRun.run(run.state, encodeRun(run), run.id)
      })
      if (changes === 0) throw new Error(`run ${run.id} was never created`)
    },
    putResults: (runId, results) => {
      if (results.length === 0) return
      write(() => {
        const run = keyOf(sql, runId)
        for (const result of results) {
          sql.putResult.run(
            run,
            pairKey(result.source, result.destination),
            result.outcome,
            encodeResult(result),
          )
        }
        putLastMeasured(sql, results, latest())
        coverage.addResults(results)
      })
    },
    getRun: (id) => guarded(() => readRun(decode, sql.runBody.get(findId(sql, id)))),
    runOfRequest: (requestId) =>
      guarded(() => {
        const row = sql.runOfRequest.get(requestId)
        return row && readRun(decode, row)
      }),
    listRuns: (page) => guarded(() => listRuns(sql, decode, page)),
    listResults: (id, page) => guarded(() => listResults(sql, decode, id, page)),
    allResults: (id) =>
      guarded(() =>
        Array.from(rows(sql.resultBodies.iterate(keyOf(sql, findId(sql, id))))).flatMap((row) => {
          const result = decode.result(row)
          return result ? [withoutHostSamples(result)] : []
        }),
      ),
    lastMeasured: () => guarded(() => lastMeasured(sql, latest())),
    interruptUnfinished: (reason, now) =>
      write(() => {
        const unfinished = [...rows<RunRow>(sql.unfinishedRuns.all())]
        const runs = unfinished.flatMap((row) => interrupted(sql, decode, row, { reason, now }) ?? [])
        for (const run of runs) sql.updateRun.run(run.state, encodeRun(run), run.id)
        return runs
      }),
  }
}
