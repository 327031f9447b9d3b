import {
  type CheckResult,
  type CheckServiceImplementation,
  CheckStatus,
} from '#proto/meshgauge/agent/v1/check.ts'
import { closest } from '../../lib/config.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import { pageOf } from '../../lib/paging.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { formatDuration } from '../../lib/units.ts'
import { BUSY_RETRY_SECONDS } from '../admission.ts'
import { type Check, type CheckDeps, type Findings, worstStatus } from '../checks/check.ts'
import type { Draining } from '../draining.ts'

/** Maximum size of the raw output, which is evidence and not a log. */
const MAX_RAW_BYTES = 64 * 1024

/** Time to end a program after the budget: its grace period, and some seconds when it is stuck in the kernel. */
const ENDING_SECONDS = 8

/** Returns the start of a text that fits into the limit, with no character cut in two. */
const clip = (text: string): string => {
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_RAW_BYTES) return text
  let end = MAX_RAW_BYTES
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end).toString()
}

/** Errors of the request that only the check can detect; all other errors are the result. */
const isRequestError = (error: unknown): boolean =>
  error instanceof OperatingError &&
  ['SPEC_INVALID', 'PEER_NOT_ALLOWED', 'LIMIT_EXCEEDED'].includes(error.reason)

/** Prevents checks with the same claim from running at the same time. */
const createClaims = (deps: Pick<CheckDeps, 'clock'>) => {
  const holders = new Map<string, { check: Check; since: number }>()
  return {
    /** @throws OperatingError AGENT_BUSY */
    take(check: Check): () => void {
      const key = check.claim ?? check.name
      const holder = holders.get(key)
      if (holder) {
        const { name, budgetSeconds } = holder.check
        const seconds = deps.clock.monotonicSeconds() - holder.since
        const text = `check ${name} has been running on this node for ${formatDuration(seconds)}; try again when it is done`
        // It may end before its budget. So a caller tries again after half of the rest.
        const retrySeconds = Math.max(BUSY_RETRY_SECONDS, (budgetSeconds - seconds) / 2)
        throw new OperatingError('AGENT_BUSY', text, { retrySeconds })
      }
      holders.set(key, { check, since: deps.clock.monotonicSeconds() })
      return () => holders.delete(key)
    },
  }
}

type Outcome = Pick<CheckResult, 'status' | 'reasons' | 'evidence' | 'rawOutput'>

const outcomeOf = (findings: Findings): Outcome => ({
  status: findings.status ?? worstStatus(findings.evidence),
  reasons: findings.reasons,
  evidence: findings.evidence,
  rawOutput: clip(findings.rawOutput ?? ''),
})

const withoutFindings = (status: CheckStatus, reasons: string[]): Outcome =>
  outcomeOf({ status, reasons, evidence: [] })

/** Tests whether the check can run here, and runs it. */
const look = async (
  deps: CheckDeps,
  check: Check,
  parameters: Record<string, unknown>,
  signal: AbortSignal,
) => {
  const reasons = await check.requirements(deps, signal)
  if (reasons.length === 0) return outcomeOf(await check.run(deps, parameters, signal))
  const hasHardware = (await check.hasHardware?.(deps)) ?? false
  return withoutFindings(
    hasHardware ? CheckStatus.CHECK_STATUS_ERROR : CheckStatus.CHECK_STATUS_SKIPPED,
    reasons,
  )
}

/** Runs one check within its budget. `over` resolves when the check has ended, also after the caller has stopped waiting. */
const carryOut = (
  deps: CheckDeps,
  check: Check,
  parameters: Record<string, unknown>,
  streamSignal: AbortSignal,
): { outcome: Promise<Outcome>; over: Promise<void> } => {
  const budgetSeconds = Math.min(check.budgetFor?.(parameters) ?? check.budgetSeconds, check.budgetSeconds)
  const budget = AbortSignal.timeout(budgetSeconds * 1000)
  const signal = AbortSignal.any([streamSignal, budget])
  const timer = new AbortController()
  const late = `not done after ${formatDuration(budgetSeconds)}`
  const looking = look(deps, check, parameters, signal).catch((error: unknown) => {
    streamSignal.throwIfAborted()
    if (isRequestError(error)) throw error
    const text = error instanceof Error ? error.message : String(error)
    return withoutFindings(CheckStatus.CHECK_STATUS_ERROR, [budget.aborted ? late : text])
  })
  const givenUp = deps.clock.sleep(budgetSeconds + ENDING_SECONDS, timer.signal).then(
    () => withoutFindings(CheckStatus.CHECK_STATUS_ERROR, [`${late}, and what it started cannot be ended`]),
    // The check has ended before its budget.
    () => looking,
  )
  const over = looking.then(
    () => timer.abort(),
    () => timer.abort(),
  )
  return { outcome: Promise.race([looking, givenUp]), over }
}

export const createCheckService = (
  deps: CheckDeps & { draining: Draining },
  checks: readonly Check[],
): CheckServiceImplementation => {
  const byName = new Map(checks.map((check) => [check.name, check]))
  const claims = createClaims(deps)

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

  return {
    async listChecks(request, { signal }) {
      const described = await Promise.all(
        checks.map(async (check) => ({
          name: check.name,
          summary: check.summary,
          invasive: check.invasive,
          reasons: await check.requirements(deps, signal),
          budget: toDuration(check.budgetSeconds),
        })),
      )
      const { items, nextPageToken } = pageOf('checks', described, request)
      return { checks: items, nextPageToken }
    },
    async runCheck(request, context) {
      deps.draining.throwIfDraining()
      const { check, parameters } = admit(request.check, request.parameters ?? {})
      const release = claims.take(check)
      const stream = deps.draining.track(context.signal)
      const startTime = deps.clock.now()
      const start = deps.clock.monotonicSeconds()
      const { outcome, over } = carryOut(deps, check, parameters, stream.signal)
      // After the end of the check, not with the answer: programs that cannot be ended must not accumulate.
      void over.then(release)
      try {
        const found = await outcome
        const duration = toDuration(deps.clock.monotonicSeconds() - start)
        return { result: { check: check.name, startTime: toTimestamp(startTime), duration, ...found } }
      } finally {
        stream.end()
      }
    },
  }
}
