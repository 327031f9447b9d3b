import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/logging.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import type { PeriodicCheck } from '../../inventory/config.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import { isReady, selectNodes } from '../../inventory/selectors.ts'
import type { Store } from '../../store/store.ts'
import { describeParameters } from '../assign/check-parameters.ts'
import { firstDue, nextDue, phaseOf } from '../assign/check-times.ts'
import type { CheckRunner } from './check-runner.ts'

/** A step of the wall clock is noticed within this time. */
const MAX_SLEEP_SECONDS = 3600

export type PeriodicChecksDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled' | 'onChange'>
  store: Pick<Store, 'checks'>
  runner: CheckRunner
  onResult(node: string, result: CheckResult): void
}

/** Identifies a check of the config on a node. A changed check has another key. */
const keyOf = (node: string, entry: PeriodicCheck): string => `${node}\0${JSON.stringify(entry)}`

/** Runs the checks of the config at their intervals until it is closed. */
export class PeriodicChecks {
  readonly #deps: PeriodicChecksDeps
  #entries: readonly PeriodicCheck[]
  /** One loop per node and check; the controller ends it. */
  readonly #loops = new Map<string, AbortController>()
  readonly #active = new Set<Promise<void>>()
  #isClosed = false

  constructor(deps: PeriodicChecksDeps, initial: readonly PeriodicCheck[]) {
    this.#deps = deps
    this.#entries = initial
    const update = () => this.#updateLoops()
    void deps.fleet.settled.then(update)
    deps.fleet.onChange(update)
  }

  get entries(): readonly PeriodicCheck[] {
    return this.#entries
  }

  /** Replaces the checks. Unchanged ones keep their times. */
  set(entries: readonly PeriodicCheck[]): void {
    this.#entries = entries
    this.#updateLoops()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const loop of this.#loops.values()) loop.abort()
    await Promise.all(this.#active)
  }

  /** Starts missing loops, and ends loops that are not needed any more. */
  #updateLoops(): void {
    if (this.#isClosed) return
    const nodes = this.#deps.fleet.nodes()
    const wanted = new Map(
      this.#entries.flatMap((entry) =>
        nodes.map(({ name }) => [keyOf(name, entry), { name, entry }] as const),
      ),
    )
    for (const [key, loop] of this.#loops) {
      if (wanted.has(key)) continue
      loop.abort()
      this.#loops.delete(key)
    }
    const missing = [...wanted].filter(([key]) => !this.#loops.has(key))
    if (missing.length === 0) return
    const lastRuns = this.#lastRuns()
    for (const [key, { name, entry }] of missing) {
      const loop = new AbortController()
      this.#loops.set(key, loop)
      const last = lastRuns.get(`${name}\0${entry.check}`)
      // The loop ends only when its signal aborts, and then rejects with the reason.
      this.#track(this.#runLoop(name, entry, last, loop.signal).catch(() => undefined))
    }
  }

  /** When each check last ran, as Unix time, by node and check. */
  #lastRuns(): Map<string, number> {
    return new Map(
      this.#deps.store
        .checks()
        .map(({ node, record }) => [
          `${node}\0${record.result?.check}`,
          (fromTimestamp(record.time)?.getTime() ?? 0) / 1000,
        ]),
    )
  }

  async #runLoop(
    node: string,
    entry: PeriodicCheck,
    last: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const phase = phaseOf(node, entry.check + describeParameters(entry.parameters))
    let due = firstDue(this.#now(), entry.every, phase, last)
    while (!signal.aborted) {
      await this.#sleepUntil(due, signal)
      // Not awaited: a start during a check that takes longer than its interval counts as an overlap.
      this.#track(
        this.#runOnce(node, entry, signal).catch((error: unknown) => {
          if (!signal.aborted)
            this.#deps.logger.error({ node, check: entry.check, err: error }, 'a periodic check failed')
        }),
      )
      due = nextDue(this.#now(), entry.every, phase)
    }
  }

  async #runOnce(
    name: string,
    { check, every, nodes, parameters }: PeriodicCheck,
    signal: AbortSignal,
  ): Promise<void> {
    // The labels of a node come from its agent and can change, so the selectors are evaluated at each run.
    const { nodes: selected } = selectNodes(this.#deps.fleet.nodes(), nodes, 'nodes')
    const node = selected.find((candidate) => candidate.name === name)
    if (!node || !isReady(node)) return
    const { kind, result } = await this.#deps.runner.run(node, check, parameters, {
      busySeconds: every,
      signal,
    })
    // A dropped start has no result. The active run will report one.
    if (kind !== 'overlap') this.#deps.onResult(name, result)
    if (kind === 'refused')
      this.#deps.logger.error({ node: name, check, reasons: result.reasons }, 'a periodic check is refused')
  }

  /** Waits for a moment of the wall clock, also when that is set during the wait. */
  async #sleepUntil(due: number, signal: AbortSignal): Promise<void> {
    for (let left = due - this.#now(); left > 0; left = due - this.#now())
      await this.#deps.clock.sleep(Math.min(left, MAX_SLEEP_SECONDS), signal)
  }

  #now(): number {
    return this.#deps.clock.now().getTime() / 1000
  }

  #track(work: Promise<void>): void {
    this.#active.add(work)
    void work.then(() => this.#active.delete(work))
  }
}
