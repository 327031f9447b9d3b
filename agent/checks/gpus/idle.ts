/** Whether the GPUs are free for a check that loads them. */

import type { CheckDeps, Findings } from '../check.ts'
import { skipped } from '../findings.ts'
import type { Gpu } from './inventory.ts'
import { numberIn } from './output.ts'
import { querySmi } from './query.ts'

/** What an idle driver itself may hold of a GPU's memory, in MiB. */
const IDLE_MEMORY = 1024

/** The most processes that a reason names. */
const NAMED = 5

/**
 * All signs of work on the GPUs; none when they are idle. Processes are not seen from inside a container, so their
 * memory and load count as well.
 * @param gpus those of interest
 */
export const signsOfWork = async (
  deps: CheckDeps,
  gpus: readonly Gpu[],
  signal: AbortSignal,
): Promise<string[]> => {
  const apps = await querySmi(deps, '--query-compute-apps', ['pid', 'gpu_uuid'], signal)
  const pids = [...new Set(apps.rows.map(({ pid }) => pid!).filter((pid) => /^\d+$/.test(pid)))]
  const load = await querySmi(deps, '--query-gpu', ['index', 'utilization.gpu', 'memory.used'], signal)
  const busy = load.rows.flatMap((row) => {
    if (!gpus.some(({ index }) => index === row.index)) return []
    const percent = numberIn(row['utilization.gpu']) ?? 0
    const memory = numberIn(row['memory.used']) ?? 0
    return percent > 0 || memory > IDLE_MEMORY
      ? [`GPU ${row.index} is ${percent} % busy and has ${memory} MiB in use`]
      : []
  })
  const more = pids.length > NAMED ? ` and ${pids.length - NAMED} more` : ''
  const processes =
    pids.length > 0 ? [`processes are on the GPUs: pid ${pids.slice(0, NAMED).join(', ')}${more}`] : []
  // What cannot be told is not idle: an invasive check must not end somebody's job.
  const trouble = [apps, load].flatMap((answer) =>
    answer.trouble === '' || answer.lost.length > 0 ? [] : [answer.trouble],
  )
  return [...processes, ...busy, ...trouble]
}

/** Instead of a check that would disturb who is on the GPUs. @param work what `signsOfWork` has found */
export const skippedAtWork = (work: readonly string[]): Findings =>
  skipped(['the GPUs are not idle (force=true runs it all the same)', ...work])
