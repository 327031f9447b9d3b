/** The query parameters of a request. A request with problems is refused as a whole, with a list of all problems. */

import { splitHostList } from '../../lib/host-list.ts'
import type { FleetNode } from '../inventory/node.ts'
import { selectNodes } from '../inventory/selectors.ts'

/** A request with invalid parameters. The message, which becomes the body of the reply, lists all problems. */
export class QueryError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.map((problem) => `${problem}. ABORT\n`).join(''))
    this.name = 'QueryError'
  }
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text)

export const listOf = (text: string): string[] => splitHostList(text).filter((item) => item !== '')

/** Reads parameters and collects problems; `throwIfInvalid` throws them together. */
export const createQuery = (parameters: URLSearchParams) => {
  const problems: string[] = []
  const text = (name: string, defaultText: string): string =>
    // Replies repeat this text and clients parse their lines, so a request must not be able to add lines.
    parameters.get(name)?.replace(/\p{Cc}+/gu, ' ') || defaultText
  return {
    text,
    has: (name: string): boolean => parameters.has(name),
    refuse: (problem: string): void => {
      problems.push(problem)
    },
    integer: (name: string, defaultValue: number, min: number, max: number): number => {
      const given = text(name, String(defaultValue))
      const value = /^\d+$/.test(given) ? Number(given) : Number.NaN
      if (value >= min && value <= max) return value
      problems.push(`${name}: "${shorten(given)}" is not a whole number from ${min} to ${max}`)
      return defaultValue
    },
    throwIfInvalid: (): void => {
      if (problems.length > 0) throw new QueryError(problems)
    },
  }
}

export type Query = ReturnType<typeof createQuery>

export type Selection = {
  nodes: FleetNode[]
  /** Whether the request selects nodes; otherwise it means all. */
  isPart: boolean
  /** The parameters of the request, which some replies repeat. */
  host: string
  nodelabel: string
  job: string
}

/** The union of `host` and `nodelabel`; all nodes when both are absent. `job` needs Kubernetes and is refused. */
export const selectByQuery = (query: Query, fleet: readonly FleetNode[]): Selection => {
  const host = query.text('host', 'all')
  const nodelabel = query.text('nodelabel', 'None')
  const job = query.text('job', 'None')
  if (job !== 'None')
    query.refuse(
      `job: "${shorten(job)}" cannot be resolved without Kubernetes; select the nodes with host= or nodelabel=`,
    )
  const hosts = listOf(host)
  const named = hosts.includes('all') ? [] : hosts
  const chosen = new Set<FleetNode>()
  if (named.length > 0) {
    const { nodes, violations } = selectNodes(fleet, named, 'host')
    for (const { description } of violations) query.refuse(`host: ${description}`)
    for (const node of nodes) chosen.add(node)
  }
  if (nodelabel !== 'None') {
    if (!nodelabel.includes('=')) query.refuse(`nodelabel: "${shorten(nodelabel)}" is not key=value`)
    else for (const node of selectNodes(fleet, [nodelabel], 'nodelabel').nodes) chosen.add(node)
  }
  const isPart = named.length > 0 || nodelabel !== 'None'
  const nodes = isPart ? fleet.filter((node) => chosen.has(node)) : [...fleet]
  return { nodes, isPart, host, nodelabel, job }
}
