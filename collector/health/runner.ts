import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../lib/clock.ts'
import { ClientError, describeCallError, fromClientError, type OperatingError } from '../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { Parameters } from './coverage.ts'
import { withFleet } from './fleet-parameters.ts'
import type { Recorder } from './recorder.ts'

/** Longer than the longest budget, dcgm's level 4 with four hours; the agent ends a check before. */
const CHECK_DEADLINE_MS = (4 * 60 + 10) * 60_000

/** Another check that needs the same thing, such as the GPUs, may be at work on the node: tried again so often. */
const BUSY_RETRY_SECONDS = 5

/** What came of the start of a check. */
export type Started =
  /** It ran; what it found is recorded. */
  | { kind: 'recorded'; result: CheckResult; record: CheckRecord }
  /** It runs already on the node, so this start was dropped. */
  | { kind: 'overlap'; result: CheckResult }
  /** The agent refuses the request: the check or a parameter is wrong. */
  | { kind: 'refused'; result: CheckResult; error: OperatingError }
  /** The agent could not be asked, or was lost in the middle. */
  | { kind: 'lost'; result: CheckResult }

export type RunnerDeps = {
  clock: Clock
  fleet: Pick<Fleet, 'nodes' | 'connection'>
  recorder: Recorder
  onOverlap(node: string, check: string): void
}

export type RunCheckOptions = {
  /** How long to wait for another check that has what this one needs. */
  busySeconds: number
  signal: AbortSignal
}

/** Runs checks on nodes, each never twice at once on a node, whoever asks. */
export const createRunner = (deps: RunnerDeps) => {
  /** By node, then by check; each resolves when that check is over. */
  const running = new Map<string, Map<string, Promise<unknown>>>()

  const withoutFindings = (check: string, reason: string): CheckResult => ({
    check,
    status: CheckStatus.CHECK_STATUS_ERROR,
    reasons: [reason],
    evidence: [],
    rawOutput: '',
    startTime: toTimestamp(deps.clock.now()),
    duration: toDuration(0),
  })

  const overlap = (node: string, check: string, reason: string): Started => {
    deps.onOverlap(node, check)
    return { kind: 'overlap', result: withoutFindings(check, reason) }
  }

  const call = async (node: Node, check: string, given: Parameters, signal: AbortSignal) => {
    const parameters = withFleet(check, node, deps.fleet.nodes(), given)
    const agent = deps.fleet.connection(node.name).check
    const { result } = await agent.runCheck({ check, parameters }, { signal, deadline: CHECK_DEADLINE_MS })
    if (!result) throw new Error('protocol violation: RunCheck without a result')
    // Under the name that was asked for, so that no agent can write another check's record.
    return { ...result, check }
  }

  const attempt = async (
    node: Node,
    check: string,
    given: Parameters,
    { busySeconds, signal }: RunCheckOptions,
  ): Promise<Started> => {
    const giveUp = deps.clock.monotonicSeconds() + busySeconds
    for (;;) {
      try {
        const result = await call(node, check, given, signal)
        const record = await deps.recorder.record(node.name, result, given)
        return { kind: 'recorded', result, record }
      } catch (error) {
        signal.throwIfAborted()
        const operating = fromClientError(error)
        // Only what the agent said is an answer; trouble of ours, such as with the store, is the caller's to know.
        if (!operating && !(error instanceof ClientError)) throw error
        if (operating?.reason !== 'AGENT_BUSY') {
          const result = withoutFindings(check, operating?.message ?? describeCallError(error))
          const refused = operating && ['SPEC_INVALID', 'PEER_NOT_ALLOWED'].includes(operating.reason)
          return refused ? { kind: 'refused', result, error: operating } : { kind: 'lost', result }
        }
        if (deps.clock.monotonicSeconds() >= giveUp) return overlap(node.name, check, operating.message)
        await deps.clock.sleep(BUSY_RETRY_SECONDS, signal)
      }
    }
  }

  return {
    /** @throws signal.reason; OperatingError STORE_UNAVAILABLE when the result cannot be kept */
    run: async (node: Node, check: string, given: Parameters, options: RunCheckOptions): Promise<Started> => {
      const ofNode = running.get(node.name) ?? new Map<string, Promise<unknown>>()
      if (ofNode.has(check)) {
        return overlap(node.name, check, `${check} runs on ${node.name} already; this start was dropped`)
      }
      running.set(node.name, ofNode)
      const attempted = attempt(node, check, given, options)
      ofNode.set(check, attempted)
      try {
        return await attempted
      } finally {
        ofNode.delete(check)
        if (ofNode.size === 0) running.delete(node.name)
      }
    },

    /** The checks that run on a node now, by name. */
    running: (node: string): string[] => [...(running.get(node)?.keys() ?? [])].sort(),

    /** Resolves when the check does not run on the node any more, however it ended. */
    over: async (node: string, check: string): Promise<void> => {
      await Promise.allSettled([running.get(node)?.get(check)])
    },

    withoutFindings,
  }
}

export type Runner = ReturnType<typeof createRunner>
