import type { Clock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import { pathKey } from '../../inventory/keys.ts'
import type { CoverageStore } from '../../store/coverage.ts'
import type { PathKey } from '../../store/windows.ts'
import type { CoverageLedger } from './coverage-ledger.ts'

/** The last measurement of a path is stored this often. After a crash it may be this much too old. */
const WRITE_INTERVAL_MS = 600_000
const FLUSH_SECONDS = 1
/** Rows of a transaction, about 5 ms of work. A thousand nodes in rotation write 350 rows a second. */
const MAX_ROWS = 1_000
/** Paths that wait while the store fails, about 20 MB. A path beyond this bound waits for its next measurement. */
const MAX_WAITING = 200_000

export type MeshCoverageDeps = {
  clock: Clock
  logger: Logger
  ledger: Pick<CoverageLedger, 'recordPath'>
  store: Pick<CoverageStore, 'putCoverage'>
}

/** Records the measurements of ping meshes in the ledger at once, and in the store every few minutes per path. */
export class MeshCoverage {
  readonly #deps: MeshCoverageDeps
  readonly #stop = new AbortController()
  /** When each path was last stored, in Unix seconds, by the number of the path. 4 bytes for each path that ever was. */
  #storedAt = new Uint32Array(1024)
  /** Paths to store, with the Unix time of their last measurement in milliseconds. */
  readonly #waiting = new Map<string, number>()
  #hasFailed = false
  readonly #flushing: Promise<void>

  constructor(deps: MeshCoverageDeps) {
    this.#deps = deps
    this.#flushing = this.#flushUntilClosed()
  }

  /** Records a measurement. @param path the number of the path in the store */
  record(path: number, key: PathKey, milliseconds: number): void {
    this.#deps.ledger.recordPath('ping', key, milliseconds)
    if (!this.#isWriteDue(path, milliseconds) || this.#waiting.size >= MAX_WAITING) return
    this.#storedAt[path] = Math.floor(milliseconds / 1000)
    this.#waiting.set(pathKey(key), milliseconds)
  }

  /** Stores what waits, unless the store fails. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#flushing
    while (this.#waiting.size > 0 && !this.#hasFailed) this.#flush()
  }

  #isWriteDue(path: number, milliseconds: number): boolean {
    if (path >= this.#storedAt.length) {
      const longer = new Uint32Array(Math.max(path + 1, 2 * this.#storedAt.length))
      longer.set(this.#storedAt)
      this.#storedAt = longer
    }
    return milliseconds - this.#storedAt[path]! * 1000 >= WRITE_INTERVAL_MS
  }

  #flush(): void {
    const rows: [string, number][] = []
    for (const row of this.#waiting) if (rows.push(row) >= MAX_ROWS) break
    if (rows.length === 0) return
    try {
      this.#deps.store.putCoverage('ping', rows)
      for (const [pair] of rows) this.#waiting.delete(pair)
      this.#hasFailed = false
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!this.#hasFailed)
        this.#deps.logger.error(
          { reason: error.message },
          'the coverage of the ping mesh could not be stored; it is stored when the store works again',
        )
      this.#hasFailed = true
    }
  }

  async #flushUntilClosed(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#deps.clock.sleep(FLUSH_SECONDS, this.#stop.signal).catch(() => undefined)
      this.#flush()
    }
  }
}
