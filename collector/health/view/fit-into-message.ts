import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { CheckRecord, type NodeHealth } from '#proto/meshgauge/collector/v1/health.ts'
import { MAX_PAGE_BYTES } from '../../store/paging.ts'
import { withoutPasses } from '../state/findings.ts'

const withoutDetails = (result: CheckResult): CheckResult => ({
  ...result,
  rawOutput: '',
  evidence: [],
  reasons: result.reasons.slice(0, 1),
})

/** From complete to minimal. */
const REDUCTIONS: readonly ((record: CheckRecord) => CheckRecord)[] = [
  (record) => record,
  (record) => ({ ...record, result: record.result && { ...record.result, rawOutput: '' } }),
  (record) => ({ ...record, result: record.result && withoutPasses(record.result) }),
  (record) => ({ ...record, result: record.result && withoutDetails(record.result), findings: [] }),
]

/** Leaves out details until the answer fits into a message: first raw outputs, then evidence that passed, then the rest. */
export const fitIntoMessage = (nodes: readonly NodeHealth[]): NodeHealth[] => {
  const records = nodes.flatMap(({ checks }) => checks)
  const fits = (reduce: (record: CheckRecord) => CheckRecord) =>
    records.reduce((sum, record) => sum + CheckRecord.encode(reduce(record)).finish().length, 0) <=
    MAX_PAGE_BYTES
  const reduce = REDUCTIONS.find(fits) ?? REDUCTIONS.at(-1)!
  return nodes.map((node) => ({ ...node, checks: node.checks.map(reduce) }))
}
