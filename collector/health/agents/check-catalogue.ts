import type { CheckDescription } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../../lib/clock.ts'
import { closest } from '../../../lib/config.ts'
import type { Violation } from '../../../lib/errors.ts'
import { MAX_PAGE_SIZE } from '../../../lib/paging.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { FleetNode } from '../../inventory/node.ts'
import { isReady } from '../../inventory/selectors.ts'

/** The checks of an agent are requested at most this often, even during a flood of requests. */
const FRESH_SECONDS = 5

/** An agent looks for programs before it answers. An agent that needs longer counts as silent. */
const LIST_DEADLINE_MS = 20_000

export type CheckCatalogueDeps = {
  clock: Pick<Clock, 'monotonicSeconds'>
  fleet: Pick<Fleet, 'connection'>
}

/** The checks that each agent has. Agents are asked when it is needed. */
export class CheckCatalogue {
  readonly #deps: CheckCatalogueDeps
  readonly #listed = new Map<string, { at: number; checks: Promise<readonly CheckDescription[]> }>()

  constructor(deps: CheckCatalogueDeps) {
    this.#deps = deps
  }

  /** The checks of a node's agent. @throws ClientError when the call fails */
  list(node: string): Promise<readonly CheckDescription[]> {
    const now = this.#deps.clock.monotonicSeconds()
    const known = this.#listed.get(node)
    if (known && now - known.at < FRESH_SECONDS) return known.checks
    const checks = this.#deps.fleet
      .connection(node)
      .check.listChecks({ pageSize: MAX_PAGE_SIZE }, { deadline: LIST_DEADLINE_MS })
      .then((answer) => answer.checks)
    this.#listed.set(node, { at: now, checks })
    // The callers that wait get the error. Later callers ask again.
    checks.catch(() => {
      if (this.#listed.get(node)?.checks === checks) this.#listed.delete(node)
    })
    return checks
  }

  /** Violations for the names that no agent of the nodes knows. Returns none when no agent answers. */
  async unknownChecks(nodes: readonly FleetNode[], checks: readonly string[]): Promise<Violation[]> {
    const answers = await Promise.allSettled(nodes.filter(isReady).map(({ name }) => this.list(name)))
    const known = new Set(
      answers.flatMap((answer) =>
        answer.status === 'fulfilled' ? answer.value.map(({ name }) => name) : [],
      ),
    )
    if (known.size === 0) return []
    return checks.flatMap((check, index) => {
      if (check === 'all' || known.has(check)) return []
      const meant = closest(check, [...known])
      const hint = meant ? `did you mean ${meant}?` : `known are ${[...known].sort().join(', ')}`
      const field = `checks[${index}]`
      return [{ field, description: `"${check.slice(0, 80)}" is not a check; ${hint}` }]
    })
  }
}
