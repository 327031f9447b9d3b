import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { describeCallError, OperatingError, throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { merge } from '../../lib/merge.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { selectNodes } from '../inventory/selectors.ts'
import type { Catalogue } from './catalogue.ts'
import type { Parameters } from './coverage.ts'
import type { Runner, Started } from './runner.ts'

/** Selectors and checks in one request: more than any fleet has names for, and a bound for what one caller costs. */
const MAX_WORDS = 10_000

export type ChecksRequest = {
  /** As FleetService has them; empty means all nodes. */
  nodes: readonly string[]
  /** Names, or `all`. */
  checks: readonly string[]
  parameters: Parameters
}

export type NodeResult = { node: string; result: CheckResult }

type Answer = NodeResult & { started: Started | undefined }

export type RequestsDeps = { fleet: Pick<Fleet, 'nodes' | 'settled'>; catalogue: Catalogue; runner: Runner }

/** Runs checks on many nodes for one caller, all nodes at once. */
export const createRequests = (deps: RequestsDeps) => {
  const names = async (node: Node, asked: readonly string[]): Promise<string[]> => {
    if (!asked.includes('all')) return [...new Set(asked)]
    return (await deps.catalogue.list(node.name)).map(({ name }) => name)
  }

  /** One check after the other, so that one does not disturb the next. */
  async function* onNode(node: Node, request: ChecksRequest, signal: AbortSignal): AsyncGenerator<Answer> {
    let checks: string[]
    try {
      checks = await names(node, request.checks)
    } catch (error) {
      signal.throwIfAborted()
      const result = deps.runner.withoutFindings(request.checks.join(','), describeCallError(error))
      yield { node: node.name, result, started: undefined }
      return
    }
    for (const check of checks) {
      signal.throwIfAborted()
      const started = await deps.runner.run(node, check, request.parameters, { busySeconds: 0, signal })
      yield { node: node.name, result: started.result, started }
    }
  }

  /** @throws OperatingError SPEC_INVALID with everything that is wrong with the names */
  const choose = async (request: ChecksRequest): Promise<Node[]> => {
    await deps.fleet.settled
    if (request.nodes.length > MAX_WORDS || request.checks.length > MAX_WORDS) {
      const description = `at most ${MAX_WORDS} are taken`
      throwIfInvalid('the request', [{ field: 'nodes and checks', description }])
    }
    const { nodes, violations } = selectNodes(deps.fleet.nodes(), request.nodes, 'nodes')
    if (request.checks.length === 0)
      violations.push({ field: 'checks', description: 'at least one check, or "all", is needed' })
    const unknown = await deps.catalogue.violations(nodes, request.checks)
    throwIfInvalid('the request', [...violations, ...unknown])
    return nodes
  }

  return {
    /**
     * Results as they come. What every agent refuses is the caller's mistake; what only some refuse is their ERROR.
     * @throws OperatingError SPEC_INVALID, STORE_UNAVAILABLE; signal.reason
     */
    async *run(request: ChecksRequest, signal: AbortSignal): AsyncGenerator<NodeResult> {
      const nodes = await choose(request)
      let refused: (NodeResult & { error: OperatingError })[] | undefined = []
      const start = (merged: AbortSignal) => nodes.map((node) => onNode(node, request, merged))
      for await (const { node, result, started } of merge(start, signal)) {
        if (refused && started?.kind === 'refused') {
          refused.push({ node, result, error: started.error })
          continue
        }
        yield* refused ?? []
        refused = undefined
        yield { node, result }
      }
      if (refused && refused.length > 0) throw asOne(refused.map(({ error }) => error))
    },
  }
}

/** The refusals of all agents as one: each violation once. */
const asOne = (errors: readonly OperatingError[]): OperatingError => {
  const violations = new Map<string, Violation>()
  for (const error of errors)
    for (const violation of error.violations)
      violations.set(`${violation.field}\0${violation.description}`, violation)
  const first = errors[0]!
  return new OperatingError(first.reason, first.message, {
    violations: [...violations.values()],
  })
}
