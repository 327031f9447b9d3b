import type { Tracer } from '@opentelemetry/api'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { LocalEvidence } from '../diagnosis/local-evidence.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { Run } from '../store/run.ts'
import type { Store } from '../store/store.ts'
import type { InterfaceQueue } from './interface-queue.ts'

/** Receives what runs report to the metrics. */
export type RunObserver = {
  observeActive(count: number): void
  /** A test has started, `lagSeconds` after all that it needed was free. */
  observeTestStart(test: string, lagSeconds: number, traceId: string): void
  /** Results that a slow watcher does not receive, or that could not be stored. */
  observeDropped(reason: 'watcher' | 'store', count: number): void
  observeTestEnd(test: string): void
  /** The first results of pairs, without those of retests. */
  observeResults(run: Run, results: readonly PairResult[]): void
  observeRun(run: Run, results: readonly PairResult[]): void
}

export type RunDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  store: Store
  observer: RunObserver
  connection(node: string): AgentConnection
  queue: InterfaceQueue
}

/** What the inventory knows about the nodes of a run when it is created. */
export type RunFacts = {
  /** The rack of each node whose rack is known. */
  readonly racks: ReadonlyMap<string, string>
  /** What is wrong with the interfaces of the nodes, as their agents report it. */
  readonly local: readonly LocalEvidence[]
}
