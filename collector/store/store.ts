import type { CheckRecord } from '#proto/meshgauge/collector/v1/health.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import type { Page } from './page.ts'
import type { CoverageStore, DocumentStore, StoreUpkeep, WindowStore } from './windows.ts'

/** When something was last measured from or to a node. */
export type LastMeasured = { ping?: Date; iperf?: Date }

/** What a check of a node last found, and what still stands. */
export type NodeCheck = { node: string; record: CheckRecord }

/**
 * What a collector remembers: runs, the results of their pairs, the records of checks, and what the ping mesh measures. Every method that writes has made its write
 * durable when it returns, or has changed nothing and throws.
 *
 * @throws OperatingError STORE_UNAVAILABLE from any method when the medium fails, such as a full disk; the store
 * goes on working once the medium does.
 */
export type Store = WindowStore &
  CoverageStore &
  DocumentStore &
  StoreUpkeep & {
    /** Adds a run; its id must be new. */
    createRun(run: Run): void
    /** Replaces a run: its state, progress, summary, verdicts and times. */
    updateRun(run: Run): void
    /** Adds results of a run, all of them or none. A pair has one result: a later one, of a retest, takes its place. */
    putResults(runId: string, results: readonly PairResult[]): void
    /**
     * @param id the id, an unambiguous beginning of it, or `latest`
     * @throws OperatingError NOT_FOUND; of an ambiguous beginning the message lists the candidates
     */
    getRun(id: string): Run
    /** The run that the request with this id created; undefined when there is none. */
    runOfRequest(requestId: string): Run | undefined
    /** Newest first. @throws OperatingError SPEC_INVALID when the token is not one that this method gave. */
    listRuns(page: Page): { runs: Run[]; nextPageToken: string }
    /**
     * In the order in which their pairs were first put; a page may be shorter than asked for, so that it fits a message.
     * @throws OperatingError NOT_FOUND as getRun does; SPEC_INVALID for a token of another kind
     */
    listResults(id: string, page: Page): { results: PairResult[]; nextPageToken: string }
    /** Every result of a run in the same order, without what the hosts did meanwhile. */
    allResults(id: string): PairResult[]
    /** By node name; a node without any MEASURED pair is absent. */
    lastMeasured(): Map<string, LastMeasured>
    /**
     * Called when a collector starts: whatever is still PENDING or RUNNING has lost its collector and becomes
     * INTERRUPTED. Its end is that of its last result, `now` when it has none; its progress counts what was kept.
     * @returns the runs it changed, oldest first
     */
    interruptUnfinished(reason: string, now: Date): Run[]
    /** Puts the records of checks, all of them or none; a node has one of each check, by the name in its result. */
    putChecks(checks: readonly NodeCheck[]): void
    /** By node, then by check; of one node when it is given. */
    checks(node?: string): NodeCheck[]
    /** The store cannot be used afterwards. Closing twice is fine. */
    close(): void
  }
