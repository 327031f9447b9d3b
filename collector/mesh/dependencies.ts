import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Endpoint } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Verdict } from '../diagnosis/verdict.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { DocumentStore } from '../store/documents.ts'
import type { WindowStore } from '../store/windows.ts'

/** Receives what happens in the ping mesh, for metrics and the coverage ledger. */
export type MeshObserver = {
  observeEvent(event: MeshEvent): void
  /** A path became DOWN or LOSSY again within an hour of an earlier change. */
  observeRelapse(): void
  /** The current verdicts, after each evaluation that had any. */
  observeVerdicts(verdicts: readonly Verdict[]): void
  /** Windows accepted for the store. */
  observeWindows(count: number): void
  /** Windows that an agent discarded because its buffer was full. */
  observeDropped(count: number): void
  /** A node got a new assignment. */
  observeAssignment(): void
  /** A probe of the path was answered. At most once a minute for each path. @param endMs wall clock, Unix ms */
  observeMeasured(path: { id: number; source: Endpoint; destination: Endpoint }, endMs: number): void
}

/** What the mesh controller needs from the rest of the collector. */
export type MeshDependencies = {
  clock: Clock
  logger: Logger
  /** Returns a number in [0, 1). */
  random: () => number
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'revision' | 'settled' | 'onChange'>
  store: WindowStore & Pick<DocumentStore, 'documents' | 'putDocuments' | 'identity'>
  observer: MeshObserver
  /** Interface keys of the interfaces that exclusive runs use now. */
  heldByRuns: () => ReadonlySet<string>
  /** Whether the previous collector process ended during a run with exclusive use of interfaces. */
  hadExclusiveRun: boolean
}
