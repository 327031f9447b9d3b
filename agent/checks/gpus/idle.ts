/** Detects whether the GPUs are free for a check that loads them. */

import type { CheckDeps, Findings } from '../check.ts'
import { skipped } from '../findings.ts'
import type { Gpu } from './inventory.ts'
import { numberIn } from './output.ts'
import { querySmi } from './query.ts'

/** GPU memory that the driver itself may use on an idle GPU, in MiB. */
const IDLE_MEMORY = 1024

/** Maximum number of processes in a reason. */
const NAMED = 5

/**
 * Returns what uses the GPUs, one line each; empty when they are idle. Processes are not visible from inside a container,
 * so memory and load count too.
 * @param gpus the GPUs to check
 */
export const findGpuUse = async (
  deps: CheckDeps,
  gpus: readonly Gpu[],
  signal: AbortSignal,
): Promise<string[]> => {
  const apps = await querySmi(deps, '--query-compute-apps', ['pid', 'gpu_uuid'], signal)
  const pids = [...new Set(apps.rows.map(({ pid }) => pid!).filter((pid) => /^\d+$/.test(pid)))]
  const load = await querySmi(deps, '--query-gpu', ['index', 'utilization.gpu', 'memory.used'], signal)
  const busy = load.rows.flatMap((row) => {
    if (!gpus.some(({ index }) => index === row.index)) return []
    const percent = numberIn('nvidia.utilization', row['utilization.gpu']) ?? 0
    const memory = numberIn('nvidia.memory', row['memory.used']) ?? 0
    return percent > 0 || memory > IDLE_MEMORY
      ? [`GPU ${row.index} is ${percent} % busy and has ${memory} MiB in use`]
      : []
  })
  const more = pids.length > NAMED ? ` and ${pids.length - NAMED} more` : ''
  const processes =
    pids.length > 0 ? [`processes are on the GPUs: pid ${pids.slice(0, NAMED).join(', ')}${more}`] : []
  // An unknown state is not idle: an invasive check must not disturb a job.
  const failure = [apps, load].flatMap((answer) =>
    answer.failure === '' || answer.lost.length > 0 ? [] : [answer.failure],
  )
  return [...processes, ...busy, ...failure]
}

/**
 * Returns the result of a check that is skipped because it would disturb a job.
 * @param use the result of `findGpuUse`
 */
export const skippedInUse = (use: readonly string[]): Findings =>
  skipped(['the GPUs are not idle (force=true runs it anyway)', ...use])
