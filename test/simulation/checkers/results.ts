import { RunState, runStateToJSON } from '#proto/meshgauge/collector/v1/run.ts'
import type { PairResult } from '../../../collector/dispatch/pair-result.ts'
import type { Run } from '../../../collector/store/run.ts'
import type { Store } from '../../../collector/store/store.ts'
import type { Checker } from './checker.ts'

export type EndedRun = {
  run: Run
  /** The results as a watcher got them; undefined when the run had ended before it could be watched. */
  watched: readonly PairResult[] | undefined
  startSeconds: number
}

const keyOf = ({ source, destination }: PairResult): string =>
  `${source.node} ${source.interface} ${destination.node} ${destination.interface}`

/** States in which each pair of the plan must have a result. */
const COMPLETE: ReadonlySet<RunState> = new Set([RunState.RUN_STATE_COMPLETED, RunState.RUN_STATE_CANCELLED])

const check = (store: Store, { run, watched }: EndedRun): string[] => {
  const stored = store.allResults(run.id)
  const keys = new Set(stored.map(keyOf))
  const planned = run.plan.pairCount
  const isComplete = COMPLETE.has(run.state)
  const name = `a run of ${planned} pairs (${runStateToJSON(run.state)})`
  const told = new Set(watched?.map(keyOf))
  return [
    ...(keys.size === stored.length ? [] : [`${name} has ${stored.length} results of ${keys.size} pairs`]),
    ...(stored.length <= planned ? [] : [`${name} has ${stored.length} results`]),
    ...(!isComplete || stored.length >= planned ? [] : [`${name} has only ${stored.length} results`]),
    ...(!isComplete || !watched || told.size >= planned
      ? []
      : [`${name}: a watcher got ${told.size} of them`]),
  ]
}

/** No result of a run is lost or there twice: the store has one result of each pair, and a watcher got it. */
export const createResultChecker = (store: () => Store) => {
  const ended: EndedRun[] = []
  const checker: Checker = {
    name: 'results',
    check: () => [],
    finish: () => ended.flatMap((each) => check(store(), each)),
  }
  return { checker, add: (run: EndedRun): void => void ended.push(run), count: (): number => ended.length }
}
