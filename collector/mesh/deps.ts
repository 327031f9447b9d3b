import type { MeshEvent } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { DocumentStore, WindowStore } from '../store/windows.ts'
import type { MeshPath } from './state/paths.ts'

/** Told of what happens, to count it. */
export type MeshObserver = {
  observeEvent(event: MeshEvent): void
  /** A path was bad, was well again, and is bad once more, all within an hour. */
  observeRelapse(): void
  observeVerdicts(verdicts: readonly Verdict[]): void
  observeWindows(count: number): void
  observeDropped(count: number): void
  observeAssignment(): void
  /** A path was answered on; once a minute for each. */
  observeMeasured(path: MeshPath, endMs: number): void
}

export type MeshesDeps = {
  clock: Clock
  logger: Logger
  /** From 0 to 1. */
  random: () => number
  fleet: Pick<Fleet, 'nodes' | 'connection' | 'revision' | 'settled' | 'onChange'>
  store: WindowStore & Pick<DocumentStore, 'documents' | 'putDocuments' | 'identity'>
  observer: MeshObserver
  /** The interfaces, as `node interface`, that runs have to themselves now. */
  heldByRuns: () => ReadonlySet<string>
}
