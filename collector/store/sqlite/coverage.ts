import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { CoverageStore } from '../windows.ts'
import type { Access } from './connection.ts'
import { measuredPair, PUT_COVERAGE } from './measured-times.ts'

/** A few milliseconds of reading; no statement stays open between two pages. */
const PAGE = 2_000

export type Coverage = CoverageStore & {
  /** Within a transaction. */
  note(results: readonly PairResult[]): void
}

/** @param latest the latest time at which something can have been measured, in Unix milliseconds */
export const createCoverage = (
  { database, guarded, writeLazily }: Access,
  latest: () => number,
): Coverage => {
  const put = database.prepare(PUT_COVERAGE)
  const pageOf = database.prepare(
    'SELECT pair, milliseconds FROM coverage WHERE test = ? AND pair > ? ORDER BY pair LIMIT ?',
  )
  return {
    note: (results) => {
      for (const result of results) {
        const values = measuredPair(result)
        if (values) put.run(...values, latest())
      }
    },
    *coverage(test) {
      for (let last = ''; ; ) {
        const rows = guarded(() => pageOf.all(test, last, PAGE))
        for (const { pair, milliseconds } of rows) yield [String(pair), Number(milliseconds)] as const
        if (rows.length < PAGE) return
        last = String(rows.at(-1)!.pair)
      }
    },
    // After a loss of power it is measured again; it need not wait for the disk.
    putCoverage: (test, measured) => {
      writeLazily(() => {
        for (const [pair, milliseconds] of measured) put.run(test, pair, Math.round(milliseconds), latest())
      })
    },
  }
}
