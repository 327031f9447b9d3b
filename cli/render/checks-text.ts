import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type { RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted } from '../../lib/units.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { compareNames } from './figures.ts'
import { type Paint, type Style, sanitize } from './paint.ts'
import { renderTable } from './table.ts'

const STATUSES: Partial<Record<CheckStatus, { word: string; sign: string; style: Style }>> = {
  [CheckStatus.CHECK_STATUS_PASS]: { word: 'pass', sign: '✔', style: 'green' },
  [CheckStatus.CHECK_STATUS_WARN]: { word: 'warn', sign: '!', style: 'yellow' },
  [CheckStatus.CHECK_STATUS_FAIL]: { word: 'fail', sign: '✘', style: 'red' },
  [CheckStatus.CHECK_STATUS_SKIPPED]: { word: 'skipped', sign: '-', style: 'dim' },
  [CheckStatus.CHECK_STATUS_ERROR]: { word: 'error', sign: '?', style: 'red' },
}

const statusOf = (response: RunChecksResponse) =>
  STATUSES[response.result?.status ?? CheckStatus.CHECK_STATUS_ERROR] ?? {
    word: 'unknown',
    sign: '?',
    style: 'red',
  }

const count = (responses: readonly RunChecksResponse[], word: string): number =>
  responses.filter((response) => statusOf(response).word === word).length

/** A failed check takes precedence over a check that could not run. */
export const checksExitCode = (responses: readonly RunChecksResponse[]): ExitCode => {
  if (count(responses, 'fail') > 0) return EXIT.verdict
  const unknown = count(responses, 'error') + count(responses, 'unknown')
  return unknown > 0 || responses.length === 0 ? EXIT.notMeasured : EXIT.healthy
}

const summaryOf = (responses: readonly RunChecksResponse[]) => ({
  pass: count(responses, 'pass'),
  warn: count(responses, 'warn'),
  fail: count(responses, 'fail'),
  skipped: count(responses, 'skipped'),
  error: count(responses, 'error'),
})

/** `6 nodes, 11 pass, 1 fail` */
export const summariseChecks = (responses: readonly RunChecksResponse[]): string => {
  const nodes = new Set(responses.map(({ node }) => node)).size
  const parts = Object.entries(summaryOf(responses)).filter(([, number]) => number > 0)
  return [counted(nodes, 'node'), ...parts.map(([word, number]) => `${number} ${word}`)].join(', ')
}

/** Results in the order of their urgency. */
const ORDER = ['fail', 'error', 'unknown', 'warn', 'pass', 'skipped']

/** Maximum number of node names in a line; more are counted. */
const MAX_NAMES = 3

const describeNodes = (nodes: readonly string[], all: number): string => {
  if (nodes.length === all && all > 1) return `all ${all} nodes`
  return nodes.length <= MAX_NAMES ? nodes.map(sanitize).join(', ') : `${nodes.length} nodes`
}

/** The reasons of all results that have one. Nodes with the same result and reasons share a line. */
export const checkReasons = (responses: readonly RunChecksResponse[], paint: Paint): string[] => {
  const all = new Set(responses.map(({ node }) => node)).size
  const withReasons = responses.filter(({ result }) => (result?.reasons ?? []).length > 0)
  const groups = Map.groupBy(withReasons, (response) => {
    const { check = '', reasons = [] } = response.result ?? {}
    return JSON.stringify([statusOf(response).word, check, reasons])
  })
  return [...groups.values()]
    .sort((a, b) => ORDER.indexOf(statusOf(a[0]!).word) - ORDER.indexOf(statusOf(b[0]!).word))
    .map((group) => {
      const { sign, style } = statusOf(group[0]!)
      const { check = '', reasons = [] } = group[0]!.result ?? {}
      const nodes = group.map(({ node }) => node).sort(compareNames)
      return `${paint(style, sign)} ${describeNodes(nodes, all)} ${sanitize(check)}: ${reasons.map(sanitize).join('; ')}`
    })
}

export const renderChecks = (responses: readonly RunChecksResponse[], paint: Paint): string => {
  if (responses.length === 0) return paint('red', 'No check ran: no node matches.')
  const nodes = [...new Set(responses.map(({ node }) => node))].sort(compareNames)
  const checks = [...new Set(responses.map(({ result }) => result?.check ?? ''))].sort(compareNames)
  const byKey = new Map(
    responses.map((response) => [`${response.node}\0${response.result?.check ?? ''}`, response]),
  )
  const cell = (node: string, check: string): string => {
    const response = byKey.get(`${node}\0${check}`)
    if (!response) return ''
    const { sign, word, style } = statusOf(response)
    return paint(style, `${sign} ${word}`)
  }
  // A check that applies to no node has only its reason, above the table.
  const shown = checks.filter((check) =>
    responses.some((response) => response.result?.check === check && statusOf(response).word !== 'skipped'),
  )
  const table = renderTable(
    ['NODE', ...shown.map((check) => sanitize(check).toUpperCase())],
    nodes.map((node) => [sanitize(node), ...shown.map((check) => cell(node, check))]),
    paint,
  )
  return [
    summariseChecks(responses),
    ...checkReasons(responses, paint).map((line) => `  ${line}`),
    ...(shown.length > 0 ? ['', table] : []),
  ].join('\n')
}

/** The JSON document of a check result. */
export const checkResultDocument = (result: CheckResult) => ({
  status: STATUSES[result.status]?.word ?? 'unknown',
  reasons: result.reasons,
  evidence: result.evidence.map(({ subject, name, value, unit, status, fatal }) => ({
    subject,
    name,
    value: value as unknown,
    unit: unit || undefined,
    status: STATUSES[status]?.word,
    fatal: fatal || undefined,
  })),
  rawOutput: result.rawOutput || undefined,
  startTime: fromTimestamp(result.startTime)?.toISOString(),
  durationSeconds: fromDuration(result.duration),
})

/** `check --json` */
export const checksDocument = (responses: readonly RunChecksResponse[]) => ({
  checks: responses.map(({ node, result }) => ({
    node,
    check: result?.check,
    ...(result ? checkResultDocument(result) : { status: 'unknown', reasons: [], evidence: [] }),
  })),
  summary: summaryOf(responses),
})
