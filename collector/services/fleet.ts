import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type {
  FleetServiceImplementation,
  Node,
  RunChecksResponse,
} from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeCallError, throwIfInvalid } from '../../lib/errors.ts'
import { merge } from '../../lib/merge.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { selectNodes } from '../inventory/selectors.ts'

type Deps = { clock: Clock; fleet: Fleet; observeCheck(node: string, result: CheckResult): void }

/** Longer than the longest budget of a check; the agent ends it before. */
const CHECK_DEADLINE_MS = 120_000

/** Addresses of all other nodes on the interfaces of the same name, as `address%interface`. */
const peersOf = (node: Node, nodes: readonly Node[]): string[] =>
  nodes.flatMap((peer) =>
    peer === node
      ? []
      : node.interfaces.flatMap((name) => {
          if (!peer.interfaces.includes(name)) return []
          const addresses = peer.description?.interfaces.find((link) => link.name === name)?.addresses ?? []
          return addresses.slice(0, 1).map((cidr) => `${cidr.split('/')[0]}%${name}`)
        }),
  )

/** What a check needs to know of the fleet and the caller did not say. */
const parametersFor = (check: string, node: Node, nodes: readonly Node[], given: Record<string, unknown>) => {
  if (check === 'reachability' && !('targets' in given)) return { ...given, targets: peersOf(node, nodes) }
  if (check === 'interfaces' && !('interfaces' in given)) return { ...given, interfaces: node.interfaces }
  return given
}

const errorResult = (clock: Clock, check: string, reason: string): CheckResult => ({
  check,
  status: CheckStatus.CHECK_STATUS_ERROR,
  reasons: [reason],
  evidence: [],
  rawOutput: '',
  startTime: toTimestamp(clock.now()),
  duration: toDuration(0),
})

export const createFleetService = (deps: Deps): FleetServiceImplementation => {
  const runOne = async (node: Node, check: string, given: Record<string, unknown>, signal: AbortSignal) => {
    try {
      const parameters = parametersFor(check, node, deps.fleet.nodes(), given)
      const call = { signal, deadline: CHECK_DEADLINE_MS }
      const { result } = await deps.fleet.connection(node.name).check.runCheck({ check, parameters }, call)
      return result!
    } catch (error) {
      signal.throwIfAborted()
      return errorResult(deps.clock, check, describeCallError(error))
    }
  }

  const checksOf = async (node: Node, asked: readonly string[], signal: AbortSignal): Promise<string[]> => {
    if (!asked.includes('all')) return [...new Set(asked)]
    const { checks } = await deps.fleet.connection(node.name).check.listChecks({}, { signal })
    return checks.map(({ name }) => name)
  }

  /** One check after the other, so that one does not disturb the next. */
  async function* checkNode(
    node: Node,
    asked: readonly string[],
    given: Record<string, unknown>,
    signal: AbortSignal,
  ): AsyncGenerator<RunChecksResponse> {
    let names: string[]
    try {
      names = await checksOf(node, asked, signal)
    } catch (error) {
      signal.throwIfAborted()
      yield { node: node.name, result: errorResult(deps.clock, asked.join(','), describeCallError(error)) }
      return
    }
    for (const check of names) yield { node: node.name, result: await runOne(node, check, given, signal) }
  }

  return {
    async listNodes(request) {
      await deps.fleet.settled
      const { nodes, violations } = selectNodes(deps.fleet.nodes(), request.nodes, 'nodes')
      throwIfInvalid('the request', violations)
      return { nodes }
    },

    async *runChecks(request, { signal }): AsyncGenerator<RunChecksResponse> {
      await deps.fleet.settled
      const { nodes, violations } = selectNodes(deps.fleet.nodes(), request.nodes, 'nodes')
      if (request.checks.length === 0) {
        violations.push({ field: 'checks', description: 'at least one check, or "all", is needed' })
      }
      throwIfInvalid('the request', violations)
      const start = (merged: AbortSignal) =>
        nodes.map((node) => checkNode(node, request.checks, request.parameters ?? {}, merged))
      for await (const response of merge(start, signal)) {
        deps.observeCheck(response.node, response.result!)
        yield response
      }
    },
  }
}
