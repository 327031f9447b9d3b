import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { pathKey } from '../inventory/keys.ts'
import type { CoverageStore } from '../store/coverage.ts'
import type { PathKey } from '../store/windows.ts'
import type { Ledger } from './ledger.ts'

/** A pair that is pinged all the time is written so often; after a crash its last measurement is so much older. */
const KEEP_MS = 600_000
const TICK_SECONDS = 1
/** Rows of a transaction: some 5 ms. A thousand nodes that rotate write 350 a second. */
const MAX_ROWS = 1_000
/** What waits while the store fails, about 20 MB; what comes beyond is noted at its next turn. */
const MAX_WAITING = 200_000

type Deps = {
  clock: Clock
  logger: Logger
  ledger: Pick<Ledger, 'measured'>
  store: Pick<CoverageStore, 'putCoverage'>
}

/** Takes what ping meshes measure into the ledger at once, and into the store now and then. */
export const createMeshCoverage = ({ clock, logger, ledger, store }: Deps) => {
  const stop = new AbortController()
  /** By the number of a path: when it was last written, in Unix seconds. 4 bytes for each path that ever was. */
  let written = new Uint32Array(1024)
  const waiting = new Map<string, number>()
  let hasFailed = false

  const isDue = (path: number, milliseconds: number): boolean => {
    if (path >= written.length) {
      const longer = new Uint32Array(Math.max(path + 1, 2 * written.length))
      longer.set(written)
      written = longer
    }
    return milliseconds - written[path]! * 1000 >= KEEP_MS
  }
  const flush = (): void => {
    const rows: [string, number][] = []
    for (const row of waiting) if (rows.push(row) >= MAX_ROWS) break
    if (rows.length === 0) return
    try {
      store.putCoverage('ping', rows)
      for (const [pair] of rows) waiting.delete(pair)
      hasFailed = false
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      if (!hasFailed)
        logger.error({ reason: error.message }, 'what the mesh measured when waits for the store')
      hasFailed = true
    }
  }
  const run = async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(TICK_SECONDS, stop.signal).catch(() => undefined)
      flush()
    }
  }
  const running = run()

  return {
    /** @param path its number, as the store gives it */
    measured: (path: number, key: PathKey, milliseconds: number): void => {
      ledger.measured('ping', key, milliseconds)
      if (!isDue(path, milliseconds) || waiting.size >= MAX_WAITING) return
      written[path] = Math.floor(milliseconds / 1000)
      waiting.set(pathKey(key), milliseconds)
    },
    close: async (): Promise<void> => {
      stop.abort()
      await running
      while (waiting.size > 0 && !hasFailed) flush()
    },
  }
}

export type MeshCoverage = ReturnType<typeof createMeshCoverage>
