import {
  type CheckResult,
  type CheckServiceImplementation,
  CheckStatus,
} from '#proto/meshgauge/agent/v1/check.ts'
import { closest } from '../../lib/config.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { formatDuration } from '../../lib/units.ts'
import { type Check, type CheckDeps, type Findings, worstStatus } from '../checks/check.ts'
import type { Draining } from '../draining.ts'

/** Raw output is evidence, not a log. */
const MAX_RAW_OUTPUT = 64 * 1024

export const createCheckService = (
  deps: CheckDeps & { draining: Draining },
  checks: readonly Check[],
): CheckServiceImplementation => {
  const byName = new Map(checks.map((check) => [check.name, check]))

  const admit = (name: string, parameters: Record<string, unknown>) => {
    const check = byName.get(name)
    if (!check) {
      const meant = closest(name, [...byName.keys()])
      const known = meant ? `did you mean ${meant}?` : `known are ${[...byName.keys()].join(', ')}`
      throwIfInvalid('the check request', [
        { field: 'check', description: `"${name}" is not a check; ${known}` },
      ])
      throw new Error('unreachable')
    }
    const parsed = check.parameters.safeParse(parameters)
    if (!parsed.success) {
      const violations = parsed.error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((key) => ({
              field: `parameters.${key}`,
              description: `${name} has no such parameter`,
            }))
          : [{ field: ['parameters', ...issue.path].join('.'), description: issue.message }],
      )
      throwIfInvalid('the check request', violations)
    }
    return { check, parameters: parsed.data ?? {} }
  }

  const conclude = (
    findings: Findings,
  ): Pick<CheckResult, 'status' | 'reasons' | 'evidence' | 'rawOutput'> => ({
    status: worstStatus(findings.evidence),
    reasons: findings.reasons,
    evidence: findings.evidence,
    rawOutput: (findings.rawOutput ?? '').slice(0, MAX_RAW_OUTPUT),
  })

  const carryOut = async (check: Check, parameters: Record<string, unknown>, streamSignal: AbortSignal) => {
    const empty = { evidence: [], rawOutput: '' }
    const budget = AbortSignal.timeout(check.budgetSeconds * 1000)
    const signal = AbortSignal.any([streamSignal, budget])
    try {
      const reasons = await check.requirements(deps, signal)
      if (reasons.length > 0) return { ...empty, status: CheckStatus.CHECK_STATUS_SKIPPED, reasons }
      return conclude(await check.run(deps, parameters, signal))
    } catch (error) {
      streamSignal.throwIfAborted()
      const text = error instanceof Error ? error.message : String(error)
      const reason = budget.aborted ? `not done after ${formatDuration(check.budgetSeconds)}` : text
      return { ...empty, status: CheckStatus.CHECK_STATUS_ERROR, reasons: [reason] }
    }
  }

  return {
    async listChecks(_request, { signal }) {
      const described = await Promise.all(
        checks.map(async (check) => ({
          name: check.name,
          summary: check.summary,
          invasive: check.invasive,
          reasons: await check.requirements(deps, signal),
          budget: toDuration(check.budgetSeconds),
        })),
      )
      return { checks: described }
    },
    async runCheck(request, context) {
      deps.draining.throwIfDraining()
      const { check, parameters } = admit(request.check, request.parameters ?? {})
      const stream = deps.draining.track(context.signal)
      try {
        const startTime = deps.clock.now()
        const start = deps.clock.monotonicSeconds()
        const found = await carryOut(check, parameters, stream.signal)
        const duration = toDuration(deps.clock.monotonicSeconds() - start)
        return { result: { check: check.name, startTime: toTimestamp(startTime), duration, ...found } }
      } finally {
        stream.end()
      }
    },
  }
}
