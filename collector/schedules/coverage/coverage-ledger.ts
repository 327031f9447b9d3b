import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { type CoverageStore, MAX_CLOCK_AHEAD_MS } from '../../store/coverage.ts'
import type { PathKey } from '../../store/windows.ts'
import { PAIR_ABSENT, type YieldIfDue } from './due-pairs.ts'

/** Pairs as positions in `names`. */
export type NamedPairs = { names: readonly string[]; sources: Int32Array; destinations: Int32Array }

export type CoverageLedgerDeps = {
  clock: Pick<Clock, 'now'>
  store: Pick<CoverageStore, 'coverage'>
  yieldIfDue: YieldIfDue
}

/** Last times of one interface, in Unix seconds: by number of the source, then of the destination. 4 bytes a pair. */
type TimesOfInterface = Uint32Array[]

type TestCoverage = { interfaces: Map<string, TimesOfInterface>; loaded: Promise<void> }

/** Pairs that are read from the store, about 1 ms of work, before other work gets its turn. */
const SLICE = 5_000

const unixSeconds = (milliseconds: number): number =>
  Math.min(PAIR_ABSENT - 1, Math.max(1, Math.floor(milliseconds / 1000)))

/**
 * When each pair was last measured, in memory. It is read from the store once, and then updated by the results of runs
 * and of the ping mesh. A thousand nodes need 4 MB for each test and interface.
 */
export class CoverageLedger {
  readonly #deps: CoverageLedgerDeps
  /** Numbers of the nodes. */
  readonly #numbers = new Map<string, number>()
  readonly #tests = new Map<string, TestCoverage>()

  constructor(deps: CoverageLedgerDeps) {
    this.#deps = deps
  }

  /** Records the results of a run. Results other than "measured" are ignored. */
  recordResults(test: string, results: readonly PairResult[]): void {
    const { interfaces } = this.#coverageOf(test)
    for (const { outcome, source, destination, endTime } of results) {
      if (outcome !== Outcome.OUTCOME_MEASURED || !endTime) continue
      const path = { source: source.node, destination: destination.node, interface: source.interface }
      this.#set(interfaces, path, unixSeconds(fromTimestamp(endTime).getTime()))
    }
  }

  /** Records a measurement of the ping mesh, at a Unix time in milliseconds. */
  recordPath(test: string, path: PathKey, milliseconds: number): void {
    this.#set(this.#coverageOf(test).interfaces, path, unixSeconds(milliseconds))
  }

  /**
   * When each of the pairs was last measured on an interface, in Unix seconds; 0 for never.
   * @throws OperatingError STORE_UNAVAILABLE when the store cannot be read
   */
  async lastTimes(
    test: string,
    interfaceName: string,
    { names, sources, destinations }: NamedPairs,
  ): Promise<Uint32Array> {
    const { interfaces, loaded } = this.#coverageOf(test)
    await loaded
    const times = interfaces.get(interfaceName)
    const lastTimes = new Uint32Array(sources.length)
    if (!times) return lastTimes
    const numbers = names.map((name) => this.#numberOf(name))
    const latest = this.#latestSeconds()
    for (let pair = 0; pair < sources.length; pair++) {
      if (pair > 0 && pair % (4 * SLICE) === 0) await this.#deps.yieldIfDue()
      const last = times[numbers[sources[pair]!]!]?.[numbers[destinations[pair]!]!] ?? 0
      lastTimes[pair] = last > latest ? 0 : last
    }
    return lastTimes
  }

  /** Later times count as never. Otherwise, after the clock was set back, pairs would not be measured until then. */
  #latestSeconds(): number {
    return (this.#deps.clock.now().getTime() + MAX_CLOCK_AHEAD_MS) / 1000
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.#numbers.size)
    return this.#numbers.size - 1
  }

  #coverageOf(test: string): TestCoverage {
    const known = this.#tests.get(test)
    if (known) return known
    const interfaces = new Map<string, TimesOfInterface>()
    const coverage = { interfaces, loaded: this.#load(test, interfaces) }
    // When the store cannot be read, the next caller tries again.
    coverage.loaded.catch(() => this.#tests.delete(test))
    this.#tests.set(test, coverage)
    return coverage
  }

  async #load(test: string, interfaces: Map<string, TimesOfInterface>): Promise<void> {
    let untilYield = SLICE
    for (const [key, milliseconds] of this.#deps.store.coverage(test)) {
      const [source = '', destination = '', name = ''] = key.split(' ')
      this.#set(interfaces, { source, destination, interface: name }, unixSeconds(milliseconds))
      if (--untilYield > 0) continue
      untilYield = SLICE
      await this.#deps.yieldIfDue()
    }
  }

  #set(interfaces: Map<string, TimesOfInterface>, path: PathKey, seconds: number): void {
    const times = interfaces.get(path.interface) ?? []
    interfaces.set(path.interface, times)
    const [from, to] = [this.#numberOf(path.source), this.#numberOf(path.destination)]
    let row = times[from] ?? new Uint32Array(0)
    if (row.length <= to) {
      const longer = new Uint32Array(Math.max(to + 1, this.#numbers.size, 2 * row.length))
      longer.set(row)
      row = longer
      times[from] = row
    }
    if (row[to]! < seconds || row[to]! > this.#latestSeconds()) row[to] = seconds
  }
}
