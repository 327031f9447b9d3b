/** What a request asks for. The old handlers took any text; here every problem is told at once, and nothing is run. */

import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { selectNodes } from '../inventory/selectors.ts'

/** A request that cannot be answered: the body says all that is wrong with it. */
export class QueryError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.map((problem) => `${problem}. ABORT\n`).join(''))
    this.name = 'QueryError'
  }
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text)

export const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** Reads parameters; what is wrong is collected until `throwIfWrong`. */
export const createQuery = (parameters: URLSearchParams) => {
  const problems: string[] = []
  const text = (name: string, usual: string): string =>
    // Repeated in replies whose lines mean something: a line must not come from the request.
    parameters.get(name)?.replace(/\p{Cc}+/gu, ' ') || usual
  return {
    text,
    has: (name: string): boolean => parameters.has(name),
    refuse: (problem: string): void => {
      problems.push(problem)
    },
    integer: (name: string, usual: number, min: number, max: number): number => {
      const given = text(name, String(usual))
      const value = /^\d+$/.test(given) ? Number(given) : Number.NaN
      if (value >= min && value <= max) return value
      problems.push(`${name}: "${shorten(given)}" is not a whole number from ${min} to ${max}`)
      return usual
    },
    throwIfWrong: (): void => {
      if (problems.length > 0) throw new QueryError(problems)
    },
  }
}

export type Query = ReturnType<typeof createQuery>

export type Selection = {
  nodes: Node[]
  /** Whether the request names nodes, rather than meaning all. */
  isPart: boolean
  /** As they were asked for, for the texts that repeat it. */
  host: string
  nodelabel: string
  job: string
}

/** The union of `host` and `nodelabel`; with neither, all nodes. There are no jobs where there is no Kubernetes. */
export const selectByQuery = (query: Query, fleet: readonly Node[]): Selection => {
  const host = query.text('host', 'all')
  const nodelabel = query.text('nodelabel', 'None')
  const job = query.text('job', 'None')
  if (job !== 'None')
    query.refuse(
      `job: this collector has no Kubernetes to find the nodes of "${shorten(job)}" in; name them with host= or nodelabel=`,
    )
  const hosts = listOf(host)
  const named = hosts.includes('all') ? [] : hosts
  const chosen = new Set<Node>()
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
