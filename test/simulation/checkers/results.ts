import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState, runStateToJSON } from '#proto/meshgauge/collector/v1/run.ts'
import type { Store } from '../../../collector/store/store.ts'

const keyOf = ({ source, destination }: PairResult): string =>
  `${source!.node} ${source!.interface} ${destination!.node} ${destination!.interface}`

/** States in which each pair of the plan must have a result. */
const COMPLETE: ReadonlySet<RunState> = new Set([RunState.RUN_STATE_COMPLETED, RunState.RUN_STATE_CANCELLED])

/** No result of a run is lost or there twice: of each pair the store has one, and a watcher was told of it. */
export const checkResults = (store: Store, run: Run, watched: readonly PairResult[]): string[] => {
  const stored = store.allResults(run.id)
  const keys = new Set(stored.map(keyOf))
  const told = new Set(watched.map(keyOf))
  const planned = run.plan!.pairCount
  const problems: string[] = []
  if (keys.size !== stored.length) problems.push(`a run has ${stored.length} results of ${keys.size} pairs`)
  if (stored.length > planned) problems.push(`a run of ${planned} pairs has ${stored.length} results`)
  if (COMPLETE.has(run.state) && stored.length < planned)
    problems.push(`a ${runStateToJSON(run.state)} run of ${planned} pairs has ${stored.length} results`)
  if (COMPLETE.has(run.state) && told.size < planned)
    problems.push(`of ${planned} pairs a watcher was told of ${told.size}`)
  return problems
}
