import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { type CoverageStore, MAX_CLOCK_AHEAD_MS } from '../store/coverage.ts'
import type { PathKey } from '../store/windows.ts'
import { NO_PAIR, type YieldIfDue } from './due.ts'

/** Pairs of a list as positions in `names`. */
export type NamedPairs = { names: readonly string[]; sources: Int32Array; destinations: Int32Array }

/** The rows of one interface: by source, by destination, in Unix seconds; 4 bytes a pair. */
type Rows = Uint32Array[]

type Deps = { clock: Pick<Clock, 'now'>; store: Pick<CoverageStore, 'coverage'>; breathe: YieldIfDue }

/** About a millisecond of work between two breaths. */
const SLICE = 5_000

const secondsOf = (milliseconds: number): number =>
  Math.min(NO_PAIR - 1, Math.max(1, Math.floor(milliseconds / 1000)))

/**
 * When each pair was last measured, in memory: read once from the store, then kept up by what runs measure. A thousand
 * nodes are 4 MB for each test and interface.
 */
export const createLedger = ({ clock, store, breathe }: Deps) => {
  /** What is later than this counts as never, or a clock that was set back would leave pairs unmeasured until then. */
  const latest = (): number => (clock.now().getTime() + MAX_CLOCK_AHEAD_MS) / 1000

  const ids = new Map<string, number>()
  const tests = new Map<string, { interfaces: Map<string, Rows>; loaded: Promise<void> }>()

  const idOf = (name: string): number => {
    const known = ids.get(name)
    if (known !== undefined) return known
    ids.set(name, ids.size)
    return ids.size - 1
  }

  const note = (
    interfaces: Map<string, Rows>,
    source: string,
    destination: string,
    name: string,
    seconds: number,
  ) => {
    const rows = interfaces.get(name) ?? []
    interfaces.set(name, rows)
    const [from, to] = [idOf(source), idOf(destination)]
    let row = rows[from] ?? new Uint32Array(0)
    if (row.length <= to) {
      const longer = new Uint32Array(Math.max(to + 1, ids.size, 2 * row.length))
      longer.set(row)
      row = longer
      rows[from] = row
    }
    if (row[to]! < seconds || row[to]! > latest()) row[to] = seconds
  }

  const load = async (test: string, interfaces: Map<string, Rows>) => {
    let left = SLICE
    for (const [key, milliseconds] of store.coverage(test)) {
      const [source = '', destination = '', name = ''] = key.split(' ')
      note(interfaces, source, destination, name, secondsOf(milliseconds))
      if (--left > 0) continue
      left = SLICE
      await breathe()
    }
  }

  const tableOf = (test: string) => {
    const known = tests.get(test)
    if (known) return known
    const interfaces = new Map<string, Rows>()
    const table = { interfaces, loaded: load(test, interfaces) }
    // A store that cannot be read now is asked again by whoever wants to know next.
    table.loaded.catch(() => tests.delete(test))
    tests.set(test, table)
    return table
  }

  return {
    /** Notes what was measured; everything else is no measurement. */
    record(test: string, results: readonly PairResult[]): void {
      const { interfaces } = tableOf(test)
      for (const { outcome, source, destination, endTime } of results) {
        if (outcome !== Outcome.OUTCOME_MEASURED || !source || !destination || !endTime) continue
        const seconds = secondsOf(fromTimestamp(endTime).getTime())
        note(interfaces, source.node, destination.node, source.interface, seconds)
      }
    },

    /** Notes a pair that was measured by other means than a run. */
    measured(test: string, { source, destination, interface: name }: PathKey, milliseconds: number): void {
      note(tableOf(test).interfaces, source, destination, name, secondsOf(milliseconds))
    },

    /**
     * When each of the pairs was last measured on an interface, in Unix seconds: 0 is never.
     * @throws OperatingError STORE_UNAVAILABLE when the store cannot be read
     */
    async lasts(
      test: string,
      name: string,
      { names, sources, destinations }: NamedPairs,
    ): Promise<Uint32Array> {
      const { interfaces, loaded } = tableOf(test)
      await loaded
      const rows = interfaces.get(name)
      const lasts = new Uint32Array(sources.length)
      if (!rows) return lasts
      const nodes = names.map(idOf)
      const until = latest()
      for (let pair = 0; pair < sources.length; pair++) {
        if (pair > 0 && pair % (4 * SLICE) === 0) await breathe()
        const last = rows[nodes[sources[pair]!]!]?.[nodes[destinations[pair]!]!] ?? 0
        lasts[pair] = last > until ? 0 : last
      }
      return lasts
    },
  }
}

export type Ledger = ReturnType<typeof createLedger>
