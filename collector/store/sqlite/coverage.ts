import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { CoverageStore } from '../windows.ts'
import type { Access } from './access.ts'
import { measuredPair, PUT_COVERAGE } from './measured-pairs.ts'

export type Coverage = CoverageStore & {
  /** Within a transaction. */
  note(results: readonly PairResult[]): void
  /** After that transaction. */
  noted(results: readonly PairResult[]): void
}

export const createCoverage = ({ database, guarded }: Access): Coverage => {
  const put = database.prepare(PUT_COVERAGE)
  const ofTest = database.prepare('SELECT pair, milliseconds FROM coverage WHERE test = ?')
  /** A million pairs take a second to read: once, then they are kept up to date here. */
  const read = new Map<string, Map<string, number>>()
  return {
    note: (results) => {
      for (const result of results) {
        const values = measuredPair(result)
        if (values) put.run(...values)
      }
    },
    noted: (results) => {
      for (const result of results) {
        const measured = measuredPair(result)
        if (!measured) continue
        const [test, pair, milliseconds] = measured
        const known = read.get(test)
        known?.set(pair, Math.max(milliseconds, known.get(pair) ?? 0))
      }
    },
    coverage: (test) => {
      const known = read.get(test)
      if (known) return known
      const found = new Map<string, number>()
      guarded(() => {
        for (const { pair, milliseconds } of ofTest.iterate(test)) {
          found.set(String(pair), Number(milliseconds))
        }
      })
      read.set(test, found)
      return found
    },
  }
}
