/** Follows a run for a user: shows progress, handles Ctrl-C, and returns the results at the end. */

import { isAbortError } from 'abort-controller-x'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError } from '../../lib/errors.ts'
import { hasEnded } from '../render/enum-words.ts'
import type { Paint } from '../render/paint.ts'
import { createProgress, type Progress } from '../render/progress.ts'
import type { Terminal } from '../terminal.ts'
import type { CollectorClient } from './connection.ts'
import { followRun, readResults } from './follow-run.ts'

export type FollowedRun = {
  /** The last state seen. */
  run: Run
  pairs: PairResult[]
  /** Ctrl-C was pressed. */
  interrupted: boolean
}

export type FollowOptions = {
  /** What the first Ctrl-C does: cancel the run, or stop following it. The second one always stops at once. */
  onInterrupt: 'cancel' | 'leave'
  paint: Paint
}

const cancelRun = async (client: CollectorClient, id: string, progress: Progress): Promise<void> => {
  try {
    await client.runs.cancelRun({ runId: id })
  } catch (error) {
    progress.note(`Cannot cancel the run: ${describeCallError(error)}`)
  }
}

/** Adds the metadata of the nodes, which WatchRun leaves out and GetRun returns. */
const withNodeMetadata = async (client: CollectorClient, run: Run, signal: AbortSignal): Promise<Run> => {
  const { run: whole } = await client.runs.getRun({ runId: run.id }, { signal })
  return { ...run, nodeMetadata: whole?.nodeMetadata ?? {} }
}

export const followInteractively = async (
  { terminal, client }: { terminal: Terminal; client: CollectorClient },
  started: Run,
  { onInterrupt, paint }: FollowOptions,
): Promise<FollowedRun> => {
  const progress = createProgress({ stream: terminal.stderr, paint, clock: terminal.clock })
  const stopping = new AbortController()
  let latest = started
  let interrupted = false
  let isLost = false
  const stopListening = terminal.onInterrupt(() => {
    if (interrupted || onInterrupt === 'leave') stopping.abort()
    else {
      progress.note('Cancelling the run. Press Ctrl-C again to leave at once.')
      void cancelRun(client, started.id, progress)
    }
    interrupted = true
  })
  const watcher = {
    onRun: (run: Run) => {
      latest = run
      isLost = false
      if (!hasEnded(run)) progress.update(run)
    },
    onLost: (reason: string) => {
      if (!isLost) progress.note(`Lost the connection to the collector (${reason}). Reconnecting.`)
      isLost = true
    },
  }
  try {
    if (!hasEnded(started)) await followRun(client, terminal.clock, started.id, watcher, stopping.signal)
    progress.end()
    const pairs = await readResults(client, started.id, stopping.signal)
    return { run: await withNodeMetadata(client, latest, stopping.signal), pairs, interrupted }
  } catch (error) {
    if (!stopping.signal.aborted || !isAbortError(error)) throw error
    return { run: latest, pairs: [], interrupted }
  } finally {
    progress.end()
    stopListening()
  }
}
