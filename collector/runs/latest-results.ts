import { isMeasured } from '../dispatch/outcomes.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import { pairKey } from '../inventory/keys.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import { withoutHostSamples } from '../store/store.ts'

const keyOf = ({ source, destination }: Pick<PairResult, 'source' | 'destination'>): string =>
  pairKey(source, destination)

/** The last result of each pair of a run, without host samples, which only the store holds. */
export class LatestResults {
  readonly #byPair = new Map<string, PairResult>()
  #measuredCount = 0

  /** Replaces the result of a pair. Returns whether it is the pair's first one. */
  put(result: PairResult): boolean {
    const key = keyOf(result)
    const previous = this.#byPair.get(key)
    if (previous && isMeasured(previous)) this.#measuredCount--
    if (isMeasured(result)) this.#measuredCount++
    this.#byPair.set(key, withoutHostSamples(result))
    return previous === undefined
  }

  get doneCount(): number {
    return this.#byPair.size
  }

  get measuredCount(): number {
    return this.#measuredCount
  }

  /** Marks the pairs for which `isMarked` returns true as bad. */
  mark(isMarked: (pair: EndpointPair) => boolean): void {
    for (const [key, result] of this.#byPair) {
      if (isMarked(result)) this.#byPair.set(key, { ...result, isMarked: true })
    }
  }

  /** The pairs that are marked as bad. */
  marked(): PairResult[] {
    return this.all().filter(({ isMarked }) => isMarked)
  }

  of(pair: EndpointPair): PairResult | undefined {
    return this.#byPair.get(keyOf(pair))
  }

  all(): PairResult[] {
    return [...this.#byPair.values()]
  }

  /** Returns the positions of the named pairs in the plan, with the round in which each was measured. */
  locate(
    { endpoints, sources, destinations }: PlannedRun,
    pairs: readonly Pick<PairResult, 'source' | 'destination'>[],
  ): { pairs: number[]; rounds: number[] } {
    const found = { pairs: [] as number[], rounds: [] as number[] }
    const wanted = new Set(pairs.map(keyOf))
    for (let pair = 0; pair < sources.length && wanted.size > 0; pair++) {
      const key = pairKey(endpoints[sources[pair]!]!, endpoints[destinations[pair]!]!)
      if (!wanted.has(key)) continue
      found.pairs.push(pair)
      found.rounds.push(this.#byPair.get(key)?.round ?? 0)
    }
    return found
  }
}
