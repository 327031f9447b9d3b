import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import type { PeriodicCheck } from '../inventory/config.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { isReady, selectNodes } from '../inventory/selectors.ts'
import type { Store } from '../store/store.ts'
import { describeParameters } from './coverage.ts'
import type { Runner } from './runner.ts'
import { firstDue, nextDue, phaseOf } from './schedule.ts'

/** A timer cannot be set further ahead than 24 days; waking up in between costs nothing. */
const LONGEST_SLEEP_SECONDS = 3600

export type PeriodicDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled' | 'onChange'>
  store: Pick<Store, 'checks'>
  runner: Runner
  onResult(node: string, result: CheckResult): void
}

/** What a check of the config on a node is known by, as long as nothing of it changes. */
const keyOf = (node: string, entry: PeriodicCheck): string => `${node}\0${JSON.stringify(entry)}`

/** Runs the checks of the config at their intervals until it is closed. */
export const startPeriodic = (deps: PeriodicDeps, initial: readonly PeriodicCheck[]) => {
  const underWay = new Set<Promise<void>>()
  const loops = new Map<string, AbortController>()
  const now = () => deps.clock.now().getTime() / 1000
  let entries = initial
  let isClosed = false

  /** Waits for a moment of the wall clock, which may be set meanwhile. */
  const until = async (due: number, signal: AbortSignal) => {
    for (let left = due - now(); left > 0; left = due - now())
      await deps.clock.sleep(Math.min(left, LONGEST_SLEEP_SECONDS), signal)
  }

  const runOnce = async (
    name: string,
    { check, every, nodes, parameters }: PeriodicCheck,
    signal: AbortSignal,
  ) => {
    const fleet = deps.fleet.nodes()
    // Labels come with the agents: who is meant can change from one time to the next.
    const node = selectNodes(fleet, nodes, 'nodes').nodes.find((candidate) => candidate.name === name)
    // A silent agent has been noticed already, and cannot answer.
    if (!node || !isReady(node)) return
    const { kind, result } = await deps.runner.run(node, check, parameters, { busySeconds: every, signal })
    // What was dropped says nothing: the run that is in its way will.
    if (kind !== 'overlap') deps.onResult(name, result)
    if (kind === 'refused')
      deps.logger.error({ node: name, check, reasons: result.reasons }, 'a periodic check is refused')
  }

  const keep = (work: Promise<void>) => {
    underWay.add(work)
    void work.then(() => underWay.delete(work))
  }

  const keepRunning = async (
    name: string,
    entry: PeriodicCheck,
    last: number | undefined,
    signal: AbortSignal,
  ) => {
    const phase = phaseOf(name, entry.check + describeParameters(entry.parameters))
    let due = firstDue(now(), entry.every, phase, last)
    while (!signal.aborted) {
      await until(due, signal)
      // Not awaited: when it takes longer than the interval, the next start is an overlap, and is counted.
      keep(
        runOnce(name, entry, signal).catch((error: unknown) => {
          if (!signal.aborted)
            deps.logger.error({ node: name, check: entry.check, err: error }, 'a periodic check failed')
        }),
      )
      due = nextDue(now(), entry.every, phase)
    }
  }

  /** Starts what is wanted and does not run, ends what runs and is not wanted. */
  const reconcile = () => {
    if (isClosed) return
    const wanted = new Map(
      entries.flatMap((entry) =>
        deps.fleet.nodes().map(({ name }) => [keyOf(name, entry), { name, entry }] as const),
      ),
    )
    for (const [key, loop] of loops) {
      if (wanted.has(key)) continue
      loop.abort()
      loops.delete(key)
    }
    const missing = [...wanted].filter(([key]) => !loops.has(key))
    if (missing.length === 0) return
    const last = new Map(
      deps.store
        .checks()
        .map(({ node, record }) => [
          `${node}\0${record.result?.check}`,
          (fromTimestamp(record.time)?.getTime() ?? 0) / 1000,
        ]),
    )
    for (const [key, { name, entry }] of missing) {
      const loop = new AbortController()
      loops.set(key, loop)
      // It ends only by its signal, and then rejects with that.
      const running = keepRunning(name, entry, last.get(`${name}\0${entry.check}`), loop.signal)
      keep(running.catch(() => undefined))
    }
  }

  void deps.fleet.settled.then(reconcile)
  deps.fleet.onChange(reconcile)

  return {
    entries: () => entries,
    /** Puts other checks in place; what stays keeps its times. */
    set: (wanted: readonly PeriodicCheck[]) => {
      entries = wanted
      reconcile()
    },
    close: async () => {
      isClosed = true
      for (const loop of loops.values()) loop.abort()
      await Promise.all(underWay)
    },
  }
}
