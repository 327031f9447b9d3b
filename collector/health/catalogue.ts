import type { CheckDescription } from '#proto/meshgauge/agent/v1/check.ts'
import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import type { Clock } from '../../lib/clock.ts'
import { closest } from '../../lib/config.ts'
import type { Violation } from '../../lib/errors.ts'
import { MAX_PAGE_SIZE } from '../../lib/paging.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { isReady } from '../inventory/selectors.ts'

/** A flood of requests asks each agent once in so long. */
const FRESH_SECONDS = 5

/** Agents look for programs to answer; one that does not in so long is as good as silent. */
const LIST_DEADLINE_MS = 20_000

type Listed = { at: number; checks: Promise<readonly CheckDescription[]> }

/** What checks each agent has, asked when it is needed. */
export const createCatalogue = (deps: { clock: Clock; fleet: Pick<Fleet, 'connection'> }) => {
  const listed = new Map<string, Listed>()

  const list = (node: string): Promise<readonly CheckDescription[]> => {
    const now = deps.clock.monotonicSeconds()
    const known = listed.get(node)
    if (known && now - known.at < FRESH_SECONDS) return known.checks
    const checks = deps.fleet
      .connection(node)
      .check.listChecks({ pageSize: MAX_PAGE_SIZE }, { deadline: LIST_DEADLINE_MS })
      .then((answer) => answer.checks)
    listed.set(node, { at: now, checks })
    // A failure is told to those who wait for it, and not to those who come later.
    checks.catch(() => {
      if (listed.get(node)?.checks === checks) listed.delete(node)
    })
    return checks
  }

  return {
    /** The checks of a node's agent. Rejects as the call does. */
    list,

    /** Names that no agent among the nodes knows. Where none answers, nothing can be said against a name. */
    violations: async (nodes: readonly Node[], checks: readonly string[]): Promise<Violation[]> => {
      const answers = await Promise.allSettled(nodes.filter(isReady).map(({ name }) => list(name)))
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
    },
  }
}

export type Catalogue = ReturnType<typeof createCatalogue>
