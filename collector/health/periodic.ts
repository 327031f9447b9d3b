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
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  store: Pick<Store, 'checks'>
  runner: Runner
  onResult(node: string, result: CheckResult): void
}

/** Runs the checks of the config at their intervals until it is closed. */
export const startPeriodic = (deps: PeriodicDeps, entries: readonly PeriodicCheck[]) => {
  const stop = new AbortController()
  const { signal } = stop
  const underWay = new Set<Promise<void>>()
  const now = () => deps.clock.now().getTime() / 1000

  /** Waits for a moment of the wall clock, which may be set meanwhile. */
  const until = async (due: number) => {
    for (let left = due - now(); left > 0; left = due - now())
      await deps.clock.sleep(Math.min(left, LONGEST_SLEEP_SECONDS), signal)
  }

  const runOnce = async (name: string, { check, every, nodes, parameters }: PeriodicCheck) => {
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

  const keepRunning = async (name: string, entry: PeriodicCheck, last: number | undefined) => {
    const phase = phaseOf(name, entry.check + describeParameters(entry.parameters))
    let due = firstDue(now(), entry.every, phase, last)
    while (!signal.aborted) {
      await until(due)
      // Not awaited: when it takes longer than the interval, the next start is an overlap, and is counted.
      const run = runOnce(name, entry).catch((error: unknown) => {
        if (!signal.aborted)
          deps.logger.error({ node: name, check: entry.check, err: error }, 'a periodic check failed')
      })
      underWay.add(run)
      void run.then(() => underWay.delete(run))
      due = nextDue(now(), entry.every, phase)
    }
  }

  const loops = (async () => {
    await deps.fleet.settled
    if (signal.aborted || entries.length === 0) return
    const last = new Map(
      deps.store
        .checks()
        .map(({ node, record }) => [
          `${node}\0${record.result?.check}`,
          (fromTimestamp(record.time)?.getTime() ?? 0) / 1000,
        ]),
    )
    const nodes = deps.fleet.nodes()
    await Promise.allSettled(
      entries.flatMap((entry) =>
        nodes.map(({ name }) => keepRunning(name, entry, last.get(`${name}\0${entry.check}`))),
      ),
    )
  })()

  return {
    close: async () => {
      stop.abort()
      await loops
      await Promise.all(underWay)
    },
  }
}
