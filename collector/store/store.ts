import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { EndpointPair, PairResult } from '../dispatch/pair-result.ts'
import type { CoverageStore } from './coverage.ts'
import type { DocumentStore } from './documents.ts'
import type { StoreMaintenance } from './maintenance.ts'
import type { Page } from './paging.ts'
import type { Run } from './run.ts'
import type { WindowStore } from './windows.ts'

/** When a node was last the source or destination of a measured pair, by test. */
export type LastMeasured = { ping?: Date; iperf?: Date }

/** The last result of a check of a node, and its standing severity. */
export type NodeCheck = { node: string; record: CheckRecord }

/** Runs and the results of their pairs. */
export type RunStore = {
  /** Adds a run; its id must be new. */
  createRun(run: Run): void
  /**
   * Replaces a run: its state, progress, summary, judgement and times. Also marks the results of the given pairs as bad,
   * in the same transaction. Pairs without a stored result are ignored.
   */
  updateRun(run: Run, marked?: readonly EndpointPair[]): void
  /** Adds results of a run, all of them or none. A pair has one result: a later one, from a retest, replaces it. */
  putResults(runId: string, results: readonly PairResult[]): void
  /**
   * @param id the id, an unambiguous prefix of it, or `latest`
   * @throws OperatingError NOT_FOUND; for an ambiguous prefix the message lists the candidates
   */
  getRun(id: string): Run
  /** Returns the run that the request with this id created; undefined when there is none. */
  runOfRequest(requestId: string): Run | undefined
  /** Newest first. @throws OperatingError SPEC_INVALID when the token is not from this method */
  listRuns(page: Page): { runs: Run[]; nextPageToken: string }
  /**
   * In the order in which their pairs were first stored. A page may be shorter than requested, so that it fits into a
   * message.
   * @throws OperatingError NOT_FOUND as getRun does; SPEC_INVALID for a token of another list
   */
  listResults(id: string, page: Page): { results: PairResult[]; nextPageToken: string }
  /** Every result of a run in the same order, without host samples. */
  allResults(id: string): PairResult[]
  /** By node name. A node without any MEASURED pair is absent. */
  lastMeasured(): Map<string, LastMeasured>
  /**
   * Sets the state of PENDING and RUNNING runs to INTERRUPTED. Called when a collector starts: the process that executed
   * them has ended. Their end time is that of their last result, or `now`; their progress counts the stored results.
   * @returns the changed runs, oldest first
   */
  interruptUnfinished(reason: string, now: Date): Run[]
}

/** The last record of each check of each node. */
export type CheckStore = {
  /** Writes all records or none. A node has one record of each check, by the check's name. */
  putChecks(checks: readonly NodeCheck[]): void
  /** Sorted by node, then by check; only one node when it is given. */
  checks(node?: string): NodeCheck[]
}

/**
 * The collector's persistent state: runs, results, check records, ping mesh windows, coverage and documents. A method
 * that writes has made its write durable when it returns, or it has changed nothing and throws.
 *
 * @throws OperatingError STORE_UNAVAILABLE from any method when the medium fails, such as a full disk. The store works
 * again as soon as the medium does.
 */
export type Store = RunStore &
  CheckStore &
  WindowStore &
  CoverageStore &
  DocumentStore &
  StoreMaintenance & {
    /** The store cannot be used afterwards. Closing twice is allowed. */
    close(): void
  }

/**
 * Returns the result without the samples of its hosts, which can be megabytes per pair. Used wherever many results are
 * in memory at once; the store keeps the samples, and listResults returns them.
 */
export const withoutHostSamples = (result: PairResult): PairResult => ({
  ...result,
  sourceHost: undefined,
  destinationHost: undefined,
})
