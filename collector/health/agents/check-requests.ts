import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { describeCallError, OperatingError, throwIfInvalid, type Violation } from '../../../lib/errors.ts'
import { merge } from '../../../lib/merge.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { selectNodes } from '../../inventory/selectors.ts'
import type { CheckParameters } from '../assign/check-parameters.ts'
import type { CheckCatalogue } from './check-catalogue.ts'
import type { CheckOutcome, CheckRunner } from './check-runner.ts'

/** Maximum number of selectors, and of checks, in one request. It bounds the cost of one caller. */
const MAX_NAMES = 10_000

export type CheckRequest = {
  /** Selectors as in FleetService; empty for all nodes. */
  nodes: readonly string[]
  /** Names of checks, or `all`. */
  checks: readonly string[]
  parameters: CheckParameters
}

export type NodeResult = { node: string; result: CheckResult }

type NodeOutcome = NodeResult & { outcome: CheckOutcome | undefined }

type RefusedResult = NodeResult & { error: OperatingError }

export type CheckRequestsDeps = {
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  catalogue: CheckCatalogue
  runner: CheckRunner
}

/** Runs the checks of a request on many nodes, on all of them at once. */
export class CheckRequests {
  readonly #deps: CheckRequestsDeps

  constructor(deps: CheckRequestsDeps) {
    this.#deps = deps
  }

  /**
   * Yields results as they arrive. When all agents refuse the request, it is wrong and throws. When only some refuse it,
   * their results have the status ERROR.
   * @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE; signal.reason
   */
  async *run(request: CheckRequest, signal: AbortSignal): AsyncGenerator<NodeResult> {
    const nodes = await this.#selectNodes(request)
    /** Undefined after the first result that is not a refusal. */
    let refused: RefusedResult[] | undefined = []
    const start = (merged: AbortSignal) => nodes.map((node) => this.#runOnNode(node, request, merged))
    for await (const { node, result, outcome } of merge(start, signal)) {
      if (refused && outcome?.kind === 'refused') {
        refused.push({ node, result, error: outcome.error })
        continue
      }
      yield* refused ?? []
      refused = undefined
      yield { node, result }
    }
    if (refused && refused.length > 0) throw combineErrors(refused.map(({ error }) => error))
  }

  /** @throws OperatingError SPEC_INVALID with all wrong names */
  async #selectNodes(request: CheckRequest): Promise<FleetNode[]> {
    const { fleet, catalogue } = this.#deps
    await fleet.settled
    if (request.nodes.length > MAX_NAMES || request.checks.length > MAX_NAMES) {
      const description = `must have at most ${MAX_NAMES} entries`
      throwIfInvalid('the request', [{ field: 'nodes and checks', description }])
    }
    const { nodes, violations } = selectNodes(fleet.nodes(), request.nodes, 'nodes')
    if (request.checks.length === 0)
      violations.push({ field: 'checks', description: 'at least one check, or "all", is needed' })
    const unknown = await catalogue.unknownChecks(nodes, request.checks)
    throwIfInvalid('the request', [...violations, ...unknown])
    return nodes
  }

  /** Runs the checks on one node one after the other, so that they do not disturb each other. */
  async *#runOnNode(
    node: FleetNode,
    request: CheckRequest,
    signal: AbortSignal,
  ): AsyncGenerator<NodeOutcome> {
    const { runner } = this.#deps
    let checks: string[]
    try {
      checks = await this.#checksOf(node, request.checks)
    } catch (error) {
      signal.throwIfAborted()
      const result = runner.errorResult(request.checks.join(','), describeCallError(error))
      yield { node: node.name, result, outcome: undefined }
      return
    }
    for (const check of checks) {
      signal.throwIfAborted()
      const outcome = await runner.run(node, check, request.parameters, { busySeconds: 0, signal })
      yield { node: node.name, result: outcome.result, outcome }
    }
  }

  async #checksOf(node: FleetNode, requested: readonly string[]): Promise<string[]> {
    if (!requested.includes('all')) return [...new Set(requested)]
    return (await this.#deps.catalogue.list(node.name)).map(({ name }) => name)
  }
}

/** One error with the violations of all, each once. */
const combineErrors = (errors: readonly OperatingError[]): OperatingError => {
  const violations = new Map<string, Violation>()
  for (const error of errors)
    for (const violation of error.violations)
      violations.set(`${violation.field}\0${violation.description}`, violation)
  const first = errors[0]!
  return new OperatingError(first.reason, first.message, { violations: [...violations.values()] })
}
