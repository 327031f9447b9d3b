/** Being there while a run goes on: progress, Ctrl-C, and its results at the end. */

import { isAbortError } from 'abort-controller-x'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError } from '../lib/errors.ts'
import type { CollectorClient } from './connection.ts'
import { followRun, readResults } from './follow.ts'
import type { Paint } from './render/paint.ts'
import { createProgress, type Progress } from './render/progress.ts'
import { hasEnded } from './render/words.ts'
import type { Terminal } from './terminal.ts'

export type Attended = {
  /** The run as last seen. */
  run: Run
  pairs: PairResult[]
  /** Ctrl-C was pressed. */
  interrupted: boolean
}

export type AttendOptions = {
  /** What the first Ctrl-C does: end the run, or only stop looking at it. The second always leaves at once. */
  onInterrupt: 'cancel' | 'leave'
  paint: Paint
}

const cancelRun = async (client: CollectorClient, id: string, progress: Progress): Promise<void> => {
  try {
    await client.runs.cancelRun({ runId: id })
  } catch (error) {
    progress.note(`The run could not be cancelled: ${describeCallError(error)}`)
  }
}

/** A watch leaves out what the nodes were; whoever asks for the run itself gets it. */
const withNodes = async (client: CollectorClient, run: Run, signal: AbortSignal): Promise<Run> => {
  const { run: whole } = await client.runs.getRun({ runId: run.id }, { signal })
  return { ...run, nodeMetadata: whole?.nodeMetadata ?? {} }
}

export const followInteractively = async (
  { terminal, client }: { terminal: Terminal; client: CollectorClient },
  started: Run,
  { onInterrupt, paint }: AttendOptions,
): Promise<Attended> => {
  const progress = createProgress({ stream: terminal.stderr, paint, clock: terminal.clock })
  const leaving = new AbortController()
  let latest = started
  let interrupted = false
  let isLost = false
  const stopListening = terminal.onInterrupt(() => {
    if (interrupted || onInterrupt === 'leave') leaving.abort()
    else {
      progress.note('Cancelling the run; Ctrl-C again leaves at once.')
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
      if (!isLost)
        progress.note(`Lost the collector (${reason}); the run needs nobody to watch it. Trying again.`)
      isLost = true
    },
  }
  try {
    if (!hasEnded(started)) await followRun(client, terminal.clock, started.id, watcher, leaving.signal)
    progress.end()
    const pairs = await readResults(client, started.id, leaving.signal)
    return { run: await withNodes(client, latest, leaving.signal), pairs, interrupted }
  } catch (error) {
    if (!leaving.signal.aborted || !isAbortError(error)) throw error
    return { run: latest, pairs: [], interrupted }
  } finally {
    progress.end()
    stopListening()
  }
}
