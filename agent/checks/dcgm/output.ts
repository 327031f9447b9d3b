/** Parses the document of `dcgmi diag -j`, of DCGM 3 and 4. */

import { plausible } from '../../plausibility.ts'
import { documentIn, isObject, type Json } from '../gpus/document.ts'

export type DcgmStatus = 'pass' | 'fail' | 'warn' | 'skip' | 'unknown'

export type DcgmResult = {
  /** The GPUs of the result; empty where the document names none. */
  gpus: string[]
  status: DcgmStatus
  /** Its messages. */
  warnings: string[]
}

export type DcgmTest = { category: string; name: string; results: DcgmResult[] }

export type DcgmReport = {
  version: string
  tests: DcgmTest[]
  /** Why the diagnostic did not run; empty when it did. */
  error: string
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Normalises a name: ignores case, blanks and slashes. DCGM 3 writes `GPU Memory`, DCGM 4 `memory`. */
export const normalizeName = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[/|\s]/g, '_')

/** The status words of versions 1 to 4, in any case. Another word is not a pass. */
const STATUS: Readonly<Record<string, DcgmStatus>> = {
  pass: 'pass',
  passed: 'pass',
  fail: 'fail',
  failed: 'fail',
  warn: 'warn',
  skip: 'skip',
  skipped: 'skip',
  not_run: 'skip',
}

const statusOf = (value: unknown): DcgmStatus => STATUS[normalizeName(textOf(value))] ?? 'unknown'

/** Reads `gpu_id` and `gpu_ids` (a number, or a list as text) of version 3, and `entity_id` of version 4. */
const gpusOf = (result: Json): string[] => {
  const id = result.gpu_id ?? result.gpu_ids ?? (result.entity_group === 'CPU' ? undefined : result.entity_id)
  const number = plausible('dcgm.gpu', id)
  return number !== undefined
    ? [String(number)]
    : textOf(id)
        .split(',')
        .map((part) => part.trim())
        .filter((part) => /^\d+$/.test(part))
}

/** Reads a text, a list of texts, or a list of objects with a text: all three forms exist. */
const warningsOf = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  return (Array.isArray(value) ? value : []).flatMap((entry) => {
    const text = isObject(entry) ? textOf(entry.warning) : textOf(entry)
    return text === '' ? [] : [text]
  })
}

const testOf = (category: string, test: Json): DcgmTest => {
  const results = listOf(test.results).map((result) => ({
    gpus: gpusOf(result),
    status: statusOf(result.status),
    warnings: warningsOf(result.warnings),
  }))
  const summary = isObject(test.test_summary) ? statusOf(test.test_summary.status) : undefined
  // The summary counts where it is worse than the results of the GPUs, or where there are none.
  const missed = summary === 'fail' && results.every(({ status }) => status !== 'fail')
  if (summary && (results.length === 0 || missed)) results.push({ gpus: [], status: summary, warnings: [] })
  return { category, name: textOf(test.name), results }
}

const KEYS = ['DCGM GPU Diagnostic', 'DCGM Diagnostic']

export const parseDcgm = (text: string): DcgmReport | undefined => {
  const document = documentIn(text, KEYS)
  const root = document?.['DCGM GPU Diagnostic'] ?? document?.['DCGM Diagnostic']
  if (!document || !isObject(root)) return undefined
  const metadata = isObject(document.metadata) ? document.metadata : {}
  return {
    version: textOf(root.version) || textOf(metadata.version),
    error: textOf(root.runtime_error) || textOf(root.Error) || textOf(root.error),
    tests: listOf(root.test_categories).flatMap((category) =>
      listOf(category.tests).map((test) => testOf(textOf(category.category), test)),
    ),
  }
}
