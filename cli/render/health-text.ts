import { CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import {
  type CheckGateResponse,
  type CheckRecord,
  type Finding,
  type NodeHealth,
  Severity,
} from '#proto/meshgauge/collector/v1/health.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted } from '../../lib/units.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { checkResultDocument } from './checks-text.ts'
import { ago, compareNames } from './figures.ts'
import { type Paint, type Style, sanitize } from './paint.ts'
import { renderTable } from './table.ts'

type Look = { word: string; sign: string; style: Style }

const LOOKS: Partial<Record<Severity, Look>> = {
  [Severity.SEVERITY_PASS]: { word: 'pass', sign: '✔', style: 'green' },
  [Severity.SEVERITY_WARN]: { word: 'warn', sign: '!', style: 'yellow' },
  [Severity.SEVERITY_FAIL]: { word: 'fail', sign: '✘', style: 'red' },
  [Severity.SEVERITY_EVICT]: { word: 'evict', sign: '✘', style: 'red' },
}

const COULD_NOT_RUN: Look = { word: 'error', sign: '?', style: 'yellow' }

const lookOf = (severity: Severity): Look =>
  LOOKS[severity] ?? { word: 'unknown', sign: '?', style: 'yellow' }

const isBad = ({ severity }: { severity: Severity }): boolean => severity >= Severity.SEVERITY_FAIL

/** A node that is not fit takes precedence over a node without results. */
export const healthExitCode = (nodes: readonly NodeHealth[]): ExitCode => {
  if (nodes.some(isBad)) return EXIT.verdict
  const isUnknown = nodes.some(({ severity }) => severity === Severity.SEVERITY_UNSPECIFIED)
  return isUnknown || nodes.length === 0 ? EXIT.notMeasured : EXIT.healthy
}

const newest = (records: readonly CheckRecord[]): Date | undefined => {
  const times = records.map(({ time }) => fromTimestamp(time)?.getTime() ?? 0)
  return times.length > 0 ? new Date(Math.max(...times)) : undefined
}

const summaryOf = (nodes: readonly NodeHealth[]): string => {
  const parts = [...new Set(nodes.map(({ severity }) => severity))]
    .sort((a, b) => b - a)
    .map(
      (severity) => `${nodes.filter((node) => node.severity === severity).length} ${lookOf(severity).word}`,
    )
  return [counted(nodes.length, 'node'), ...parts].join(', ')
}

/** The reasons for the severity of a check. */
const reasonsOf = ({ result, standingReason }: CheckRecord): string[] =>
  standingReason === '' ? (result?.reasons ?? []) : [standingReason]

/** Whether a check without findings could not run the last time. */
const couldNotRun = ({ severity, result }: CheckRecord): boolean =>
  severity <= Severity.SEVERITY_PASS && result?.status === CheckStatus.CHECK_STATUS_ERROR

const reasonLines = (nodes: readonly NodeHealth[], paint: Paint): string[] =>
  nodes.flatMap(({ node, checks }) =>
    checks
      .filter((record) => record.severity !== Severity.SEVERITY_PASS || couldNotRun(record))
      .flatMap((record) => {
        const { sign, style } = couldNotRun(record) ? COULD_NOT_RUN : lookOf(record.severity)
        const name = sanitize(`${node} ${record.result?.check ?? ''}`)
        return reasonsOf(record).map((reason) => `  ${paint(style, sign)} ${name}: ${sanitize(reason)}`)
      }),
  )

export const renderHealth = (nodes: readonly NodeHealth[], now: Date, paint: Paint): string => {
  if (nodes.length === 0) return 'The fleet has no nodes.'
  const checks = [
    ...new Set(nodes.flatMap((node) => node.checks.map(({ result }) => result?.check ?? ''))),
  ].sort(compareNames)
  const isSkipped = (record: CheckRecord | undefined): boolean =>
    record?.result?.status === CheckStatus.CHECK_STATUS_SKIPPED && record.severity <= Severity.SEVERITY_PASS
  const recordOf = (node: NodeHealth, check: string) =>
    node.checks.find(({ result }) => result?.check === check)
  // A check that applies to no node has a line instead of a column.
  const isRunning = (check: string) => nodes.some(({ runningChecks }) => runningChecks.includes(check))
  const inapplicable = checks.filter(
    (check) => !isRunning(check) && nodes.every((node) => isSkipped(recordOf(node, check))),
  )
  const shown = checks.filter((check) => !inapplicable.includes(check))
  const painted = ({ sign, word, style }: Look) => paint(style, `${sign} ${word}`)
  const cell = (node: NodeHealth, check: string): string => {
    const record = recordOf(node, check)
    const running = node.runningChecks.includes(check) ? ' …' : ''
    // Skipped counts as passed, but must not look like it.
    if (isSkipped(record)) return paint('dim', '- skipped') + running
    if (!record) return running
    return painted(couldNotRun(record) ? COULD_NOT_RUN : lookOf(record.severity)) + running
  }
  const table = renderTable(
    ['NODE', 'HEALTH', 'LAST CHECK', ...shown.map((check) => sanitize(check).toUpperCase())],
    nodes.map((node) => [
      sanitize(node.node),
      painted(lookOf(node.severity)),
      ago(newest(node.checks), now),
      ...shown.map((check) => cell(node, check)),
    ]),
    paint,
  )
  const skipped =
    inapplicable.length === 0 ? [] : [`  - skipped on all nodes: ${inapplicable.map(sanitize).join(', ')}`]
  return [summaryOf(nodes), ...reasonLines(nodes, paint), ...skipped, '', table].join('\n')
}

const findingDocument = ({ severity, result, parameters, time }: Finding) => ({
  severity: lookOf(severity).word,
  time: fromTimestamp(time)?.toISOString(),
  parameters: parameters as unknown,
  result: result && checkResultDocument(result),
})

/** `health --json` */
export const healthDocument = (nodes: readonly NodeHealth[]) => ({
  nodes: nodes.map(({ node, severity, checks, runningChecks }) => ({
    node,
    severity: lookOf(severity).word,
    runningChecks,
    checks: checks.map((record) => ({
      check: record.result?.check,
      severity: lookOf(record.severity).word,
      standingReason: record.standingReason || undefined,
      time: fromTimestamp(record.time)?.toISOString(),
      verdictTime: fromTimestamp(record.verdictTime)?.toISOString(),
      parameters: record.parameters as unknown,
      result: record.result && checkResultDocument(record.result),
      findings: record.findings.map(findingDocument),
    })),
  })),
})

/** A known problem takes precedence over missing results. */
export const gateExitCode = ({ open, nodes }: CheckGateResponse): ExitCode => {
  if (open) return EXIT.healthy
  return nodes.some((node) => !node.open && !node.unknown) ? EXIT.verdict : EXIT.notMeasured
}

export const renderGate = (response: CheckGateResponse, paint: Paint): string => {
  const { nodes } = response
  const count = counted(nodes.length, 'node')
  if (response.open) return paint('green', `✔ Open: ${count} may take a job.`)
  const closed = nodes.filter(({ open }) => !open)
  const isKnown = gateExitCode(response) === EXIT.verdict
  const head = isKnown
    ? paint('red', `✘ Closed: ${closed.length} of ${count} may not take a job.`)
    : paint(
        'yellow',
        `? Closed: ${closed.length} of ${count} may not take a job, because results are missing.`,
      )
  const lines = closed.flatMap(({ node, reasons, unknown }) =>
    reasons.map((reason) => {
      const sign = unknown ? paint('yellow', '?') : paint('red', '✘')
      return `  ${sign} ${sanitize(node)}: ${sanitize(reason)}`
    }),
  )
  return [head, ...lines].join('\n')
}

/** `gate --json` */
export const gateDocument = ({ open, nodes }: CheckGateResponse) => ({
  open,
  nodes: nodes.map((node) => ({
    node: node.node,
    open: node.open,
    reasons: node.reasons,
    unknown: node.unknown,
  })),
})
