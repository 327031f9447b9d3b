/** Counts what an agent does, for its /metrics. Plain numbers: the metrics library is loaded only when it is scraped. */

import { basename } from 'node:path'
import type { Processes, ProcessResult } from './processes.ts'

export type Activity = {
  /** Programs that were started, by name. */
  starts: Map<string, number>
  /** Programs that failed, by name and kind: not_started, crashed, timed_out, flooded or exit_code. */
  failures: Map<string, Map<string, number>>
  /** Probes with a result. */
  probes: { answered: number; lost: number }
  running: number
}

export const createActivity = (): Activity => ({
  starts: new Map(),
  failures: new Map(),
  probes: { answered: 0, lost: 0 },
  running: 0,
})

/** Programs are few, but requests name some of them: the others share one name. */
const MAX_NAMES = 50

const nameIn = (known: ReadonlyMap<string, unknown>, file: string): string => {
  const name = basename(file)
  return known.has(name) || known.size < MAX_NAMES ? name : 'other'
}

const failureOf = ({ aborted, timedOut, flooded, signal, exitCode }: ProcessResult): string | undefined => {
  if (aborted) return undefined
  if (timedOut) return 'timed_out'
  if (flooded) return 'flooded'
  if (signal !== '') return 'crashed'
  if (exitCode === undefined) return 'not_started'
  return exitCode === 0 ? undefined : 'exit_code'
}

/** Counts the programs that are started, and how they end. */
export const countProcesses = (processes: Processes, activity: Activity): Processes => {
  const begin = (file: string): ((result: ProcessResult) => void) => {
    const name = nameIn(activity.starts, file)
    activity.starts.set(name, (activity.starts.get(name) ?? 0) + 1)
    activity.running++
    return (result) => {
      activity.running--
      const kind = failureOf(result)
      if (kind === undefined) return
      const kinds = activity.failures.get(name) ?? new Map<string, number>()
      activity.failures.set(name, kinds.set(kind, (kinds.get(kind) ?? 0) + 1))
    }
  }
  return {
    ...processes,
    async start(file, args, options) {
      const running = await processes.start(file, args, options)
      void running.done.then(begin(file))
      return running
    },
    async run(file, args, options) {
      const end = begin(file)
      const result = await processes.run(file, args, options).catch((error: unknown) => {
        activity.running--
        throw error
      })
      end(result)
      return result
    },
  }
}
