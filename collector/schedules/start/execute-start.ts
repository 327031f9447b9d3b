import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { RunSpec } from '../../plan/run-spec.ts'
import type { Runs } from '../../runs/runs.ts'
import type { Run } from '../../store/run.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import type { Cost } from '../state/budget.ts'
import type { StartOutcome } from '../state/start-history.ts'
import { type ChooseRunsDeps, type ChooseRunsOptions, chooseRuns, type RunOfStart } from './choose-runs.ts'
import { CostMeter } from './cost-meter.ts'

export type StartDeps = ChooseRunsDeps & {
  clock: Clock
  runs: Pick<Runs, 'plan' | 'create' | 'watch'>
}

export type StartOptions = ChooseRunsOptions & {
  signal: AbortSignal
  onRun(run: Run): void
  /** Whether the schedule was paused during this start. Then no further run begins. */
  isHalted(): boolean
  /** Called at the end of each run with its bytes, and the increase of the busiest interface's busy time. */
  onCost(cost: Cost): void
}

const STOPPED: readonly RunState[] = [RunState.RUN_STATE_CANCELLED, RunState.RUN_STATE_INTERRUPTED]

/**
 * Executes one start of a schedule, from the choice of its pairs to the end of its last run.
 * @throws only bugs, and the signal's reason when that aborts
 */
export const executeStart = async (
  deps: StartDeps,
  spec: ScheduleSpec,
  options: StartOptions,
): Promise<StartOutcome> => {
  try {
    const chosen = await chooseRuns(deps, spec, options)
    return Array.isArray(chosen) ? await executeRuns(deps, chosen, options) : chosen
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error
    return { kind: 'failed', reason: error.message, error }
  }
}

/** Executes the runs one after the other. A run that is refused, such as on an interface with traffic, does not stop the others. */
const executeRuns = async (
  deps: StartDeps,
  planned: readonly RunOfStart[],
  options: StartOptions,
): Promise<StartOutcome> => {
  const meter = new CostMeter()
  let [runCount, reason] = [0, '']
  let refused: OperatingError | undefined
  for (const [index, { spec, pause }] of planned.entries()) {
    if (options.isHalted())
      return { kind: 'ended', succeeded: false, reason: 'the schedule was paused between two runs' }
    try {
      const run = await executeRun(deps, spec, meter, options)
      runCount++
      reason = problemOf(run) ?? reason
      if (STOPPED.includes(run.state)) break
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      refused = error
      reason = error.message
    }
    if (pause > 0 && index < planned.length - 1) await deps.clock.sleep(pause, options.signal)
  }
  if (runCount === 0 && refused) return { kind: 'failed', reason, error: refused }
  return { kind: 'ended', succeeded: reason === '', reason }
}

/** Creates a run and waits for its end. */
const executeRun = async (
  deps: StartDeps,
  spec: RunSpec,
  meter: CostMeter,
  options: StartOptions,
): Promise<Run> => {
  // A schedule that was deleted while its pairs were chosen creates no run.
  options.signal.throwIfAborted()
  let run = await deps.runs.create(spec)
  options.onRun(run)
  try {
    for await (const update of deps.runs.watch(run.id, options.signal)) {
      run = update.run
      meter.addResults(spec, update.results)
    }
  } finally {
    options.onCost(meter.take())
  }
  return run
}

/** Why a run is not a success; undefined when it is. */
const problemOf = ({ id, state, stateReason }: Run): string | undefined => {
  if (state === RunState.RUN_STATE_COMPLETED) return undefined
  const outcome = STOPPED.includes(state) ? 'was stopped' : 'failed'
  return `run ${id} ${outcome}${stateReason ? `: ${stateReason}` : ''}`
}
