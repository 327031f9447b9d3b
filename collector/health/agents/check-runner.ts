import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { Clock } from '../../../lib/clock.ts'
import { ClientError, describeCallError, fromClientError, type OperatingError } from '../../../lib/errors.ts'
import { toDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { type CheckParameters, withFleetParameters } from '../assign/check-parameters.ts'

/** Longer than the longest check, dcgm at level 4 with four hours. The agent ends the check before. */
const CHECK_DEADLINE_MS = (4 * 60 + 10) * 60_000

/** Pause before a check is tried again that needs a resource, such as the GPUs, which another check uses. */
const BUSY_RETRY_SECONDS = 5

/** What became of the start of a check. */
export type CheckOutcome =
  /** It ran, and its result is stored. */
  | { kind: 'recorded'; result: CheckResult; record: CheckRecord }
  /** It runs on the node already, or waited in vain for a resource. This start was dropped. */
  | { kind: 'overlap'; result: CheckResult }
  /** The agent refused the request: the check or a parameter is wrong. */
  | { kind: 'refused'; result: CheckResult; error: OperatingError }
  /** The agent does not answer, or the call failed before the result arrived. */
  | { kind: 'lost'; result: CheckResult }

export type CheckRunnerDeps = {
  clock: Clock
  fleet: Pick<Fleet, 'nodes' | 'connection'>
  /** Stores a result. @throws OperatingError STORE_UNAVAILABLE */
  record(node: string, result: CheckResult, parameters: CheckParameters): Promise<CheckRecord>
  onOverlap(node: string, check: string): void
}

export type RunCheckOptions = {
  /** How long to wait for a resource that another check uses. */
  busySeconds: number
  signal: AbortSignal
}

/** Runs checks on nodes. The same check runs on a node only once at a time, for all callers together. */
export class CheckRunner {
  readonly #deps: CheckRunnerDeps
  /** By node, then by check. Each promise settles when the check has ended. */
  readonly #active = new Map<string, Map<string, Promise<unknown>>>()

  constructor(deps: CheckRunnerDeps) {
    this.#deps = deps
  }

  /** @throws signal.reason; OperatingError STORE_UNAVAILABLE when the result cannot be stored */
  async run(
    node: FleetNode,
    check: string,
    parameters: CheckParameters,
    options: RunCheckOptions,
  ): Promise<CheckOutcome> {
    const ofNode = this.#active.get(node.name) ?? new Map<string, Promise<unknown>>()
    if (ofNode.has(check))
      return this.#overlap(node.name, check, `${check} runs on ${node.name} already; this start was dropped`)
    this.#active.set(node.name, ofNode)
    const running = this.#runWhenFree(node, check, parameters, options)
    ofNode.set(check, running)
    try {
      return await running
    } finally {
      ofNode.delete(check)
      if (ofNode.size === 0) this.#active.delete(node.name)
    }
  }

  /** The names of the checks that run on a node now, sorted. */
  activeChecks(node: string): string[] {
    return [...(this.#active.get(node)?.keys() ?? [])].sort()
  }

  /** Resolves when the check does not run on the node any more, with or without a result. */
  async waitForEnd(node: string, check: string): Promise<void> {
    await Promise.allSettled([this.#active.get(node)?.get(check)])
  }

  /** The result of a check that did not run. */
  errorResult(check: string, reason: string): CheckResult {
    return {
      check,
      status: CheckStatus.CHECK_STATUS_ERROR,
      reasons: [reason],
      evidence: [],
      rawOutput: '',
      startTime: toTimestamp(this.#deps.clock.now()),
      duration: toDuration(0),
    }
  }

  /** Runs a check. While another check uses its resource, tries again. */
  async #runWhenFree(
    node: FleetNode,
    check: string,
    parameters: CheckParameters,
    { busySeconds, signal }: RunCheckOptions,
  ): Promise<CheckOutcome> {
    const { clock } = this.#deps
    const giveUpSeconds = clock.monotonicSeconds() + busySeconds
    for (;;) {
      try {
        const result = await this.#call(node, check, parameters, signal)
        const record = await this.#deps.record(node.name, result, parameters)
        return { kind: 'recorded', result, record }
      } catch (error) {
        signal.throwIfAborted()
        const operating = fromClientError(error)
        // Errors of the collector, such as those of the store, are not answers of the agent.
        if (!operating && !(error instanceof ClientError)) throw error
        if (operating?.reason !== 'AGENT_BUSY') return this.#failure(check, error, operating)
        if (clock.monotonicSeconds() >= giveUpSeconds)
          return this.#overlap(node.name, check, operating.message)
        await clock.sleep(BUSY_RETRY_SECONDS, signal)
      }
    }
  }

  async #call(
    node: FleetNode,
    check: string,
    given: CheckParameters,
    signal: AbortSignal,
  ): Promise<CheckResult> {
    const { fleet } = this.#deps
    if (node.hasForeignAgent) return this.errorResult(check, node.stateReason)
    const parameters = withFleetParameters(check, node, fleet.nodes(), given)
    const agent = fleet.connection(node.name).check
    const { result } = await agent.runCheck({ check, parameters }, { signal, deadline: CHECK_DEADLINE_MS })
    if (!result) throw new Error('protocol violation: RunCheck without a result')
    // The name of the request, so that no agent can overwrite the record of another check.
    return { ...result, check }
  }

  #failure(check: string, error: unknown, operating: OperatingError | undefined): CheckOutcome {
    const result = this.errorResult(check, operating?.message ?? describeCallError(error))
    return operating && ['SPEC_INVALID', 'PEER_NOT_ALLOWED'].includes(operating.reason)
      ? { kind: 'refused', result, error: operating }
      : { kind: 'lost', result }
  }

  #overlap(node: string, check: string, reason: string): CheckOutcome {
    this.#deps.onOverlap(node, check)
    return { kind: 'overlap', result: this.errorResult(check, reason) }
  }
}
