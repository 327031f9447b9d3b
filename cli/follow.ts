/** Following a run that goes on in the collector, whatever happens to the connection. */

import { ClientError, Status } from 'nice-grpc'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../lib/clock.ts'
import { describeCallError } from '../lib/errors.ts'
import { readAll } from './client/paging.ts'
import type { CollectorClient } from './connection.ts'
import { EXIT } from './exit.ts'
import { CommandError } from './problems.ts'
import { hasEnded } from './render/words.ts'

/** A watch has no natural end of its own; a day is longer than any run and still a deadline. */
const WATCH_DEADLINE_MS = 24 * 3600 * 1000

/** About half a minute with the waits below: a collector that restarts is back by then. */
const MAX_RECONNECTS = 10

const RECONNECT_SECONDS = [0.25, 0.5, 1, 2, 4]

/** Whether the connection was lost, as opposed to an error that the collector sent. */
const isLost = (error: unknown): error is ClientError =>
  error instanceof ClientError &&
  [Status.UNAVAILABLE, Status.CANCELLED, Status.DEADLINE_EXCEEDED].some((code) => code === error.code)

export type Watcher = {
  onRun(run: Run): void
  /** The connection is gone for the moment. */
  onLost(reason: string): void
}

/** One connection's worth of watching: the last state seen, and why it ended. */
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
 * Resolves with the run once it has ended.
 * @throws CommandError when the collector stays away; the run itself goes on there
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
    // Only a run that moved on since the last time earns new attempts: a stream that ends at once must not go on for ever.
    const movedOn = last?.progress !== undefined && last.progress.doneCount !== doneCount
    failures = movedOn ? 1 : failures + 1
    doneCount = last?.progress?.doneCount ?? doneCount
    if (failures > MAX_RECONNECTS) {
      throw new CommandError(
        `Lost the collector at ${client.address}: ${reason}
The run goes on there. Follow it with "meshgauge runs show ${id}".`,
        EXIT.notMeasured,
      )
    }
    watcher.onLost(reason)
    await clock.sleep(RECONNECT_SECONDS[Math.min(failures, RECONNECT_SECONDS.length) - 1]!, signal)
  }
}

/**
 * All results of a run, page by page.
 * @throws CommandError when the collector goes away meanwhile; what it acknowledged is kept there
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
They are kept there. See them with "meshgauge runs show ${id}" when it is back.`,
      EXIT.notMeasured,
    )
  }
}
