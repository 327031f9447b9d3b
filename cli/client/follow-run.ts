/** Follows a run in the collector until it ends, across lost connections, and reads its results. */

import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { ClientError, describeCallError, Status } from '../../lib/errors.ts'
import { CommandError } from '../command-errors.ts'
import { EXIT } from '../exit-codes.ts'
import { hasEnded } from '../render/enum-words.ts'
import type { CollectorClient } from './connection.ts'
import { readAll } from './paging.ts'

/** Every call needs a deadline. One day is longer than any run. */
const WATCH_DEADLINE_MS = 24 * 3600 * 1000

/** With the pauses below, reconnecting takes about 30 s, longer than a restart of the collector. */
const MAX_RECONNECTS = 10

const RECONNECT_SECONDS = [0.25, 0.5, 1, 2, 4]

/** Whether the connection failed, as opposed to an error that the collector returned. */
const isLost = (error: unknown): error is ClientError =>
  error instanceof ClientError &&
  [Status.UNAVAILABLE, Status.CANCELLED, Status.DEADLINE_EXCEEDED].some((code) => code === error.code)

export type Watcher = {
  onRun(run: Run): void
  /** The connection was lost. It is opened again. */
  onLost(reason: string): void
}

/** Watches over one connection. Returns the last state seen and why the stream ended. */
const watchOnce = async (client: CollectorClient, id: string, watcher: Watcher, signal: AbortSignal) => {
  let last: Run | undefined
  try {
    for await (const { run } of client.runs.watchRun(
      { runId: id },
      { signal, deadline: WATCH_DEADLINE_MS },
    )) {
      if (!run) continue
      last = run
      watcher.onRun(run)
      if (hasEnded(run)) break
    }
    return { last, reason: 'the collector ended the stream' }
  } catch (error) {
    signal.throwIfAborted()
    if (!isLost(error)) throw error
    return { last, reason: describeCallError(error) }
  }
}

/**
 * Resolves with the run after it has ended.
 * @throws CommandError if the collector cannot be reached again
 */
export const followRun = async (
  client: CollectorClient,
  clock: Clock,
  id: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<Run> => {
  let failures = 0
  let doneCount: number | undefined
  for (;;) {
    const { last, reason } = await watchOnce(client, id, watcher, signal)
    if (last && hasEnded(last)) return last
    // Progress resets the count of failures. A stream that always ends at once must not be retried without limit.
    const hasProgress = last?.progress !== undefined && last.progress.doneCount !== doneCount
    failures = hasProgress ? 1 : failures + 1
    doneCount = last?.progress?.doneCount ?? doneCount
    if (failures > MAX_RECONNECTS) {
      throw new CommandError(
        `Lost the collector at ${client.address}: ${reason}
If the collector still works, the run continues. See its state with "meshgauge runs show ${id}".`,
        EXIT.notMeasured,
      )
    }
    watcher.onLost(reason)
    await clock.sleep(RECONNECT_SECONDS[Math.min(failures, RECONNECT_SECONDS.length) - 1]!, signal)
  }
}

/**
 * Reads all results of a run, page by page.
 * @throws CommandError if the connection is lost; the collector keeps the results
 */
export const readResults = async (
  client: CollectorClient,
  id: string,
  signal?: AbortSignal,
): Promise<PairResult[]> => {
  try {
    return await readAll(
      (page) => client.results.listResults({ runId: id, ...page }, signal ? { signal } : {}),
      ({ results }) => results,
    )
  } catch (error) {
    signal?.throwIfAborted()
    if (!isLost(error)) throw error
    throw new CommandError(
      `Lost the collector at ${client.address} before its results were read: ${describeCallError(error)}
The collector keeps them. Show them later with "meshgauge runs show ${id}".`,
      EXIT.notMeasured,
    )
  }
}
