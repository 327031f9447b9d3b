import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { interfaceKey } from '../inventory/keys.ts'

/** How much of what was requested was observed. */
export type Coverage = {
  readonly requestedCount: number
  readonly observedCount: number
  /** Interfaces that nobody observed in a direction, such as `node-3 net1 sends`. */
  readonly unobserved: readonly string[]
}

const OBSERVED: readonly Outcome[] = [
  Outcome.OUTCOME_MEASURED,
  Outcome.OUTCOME_UNREACHABLE,
  Outcome.OUTCOME_REFUSED,
]

/** Whether something was learned about the network between the ends of a pair. */
const isObserved = ({ outcome }: PairResult): boolean => OBSERVED.includes(outcome)

const compareText = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true })

/**
 * Returns the coverage of a run.
 * @param requestedCount the number of pairs of its plan; a run that failed has fewer results
 */
export const coverageOf = (results: readonly PairResult[], requestedCount: number): Coverage => {
  const seen = new Map<string, boolean>()
  let observedCount = 0
  for (const result of results) {
    const observed = isObserved(result)
    if (observed) observedCount++
    for (const key of [
      `${interfaceKey(result.source)} sends`,
      `${interfaceKey(result.destination)} receives`,
    ])
      seen.set(key, observed || seen.get(key) === true)
  }
  const unobserved = [...seen].flatMap(([key, observed]) => (observed ? [] : [key])).sort(compareText)
  return { requestedCount: Math.max(requestedCount, results.length), observedCount, unobserved }
}
