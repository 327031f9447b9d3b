import type { Verdict } from '../../../collector/diagnosis/verdict.ts'
import type { PairResult } from '../../../collector/dispatch/pair-result.ts'
import type { Run } from '../../../collector/store/run.ts'
import type { World } from '../world/world.ts'
import type { Checker } from './checker.ts'
import { createRunVerdictCheck, type InjectedFault, isActive, numberOf } from './run-verdicts.ts'

/** Evidence of a fault stays in the last minute, and what was bad is held down for longer than that. */
const GRACE_SECONDS = 240
/** After this, the collector has heard of all agents again and has judged them. */
const SETTLE_SECONDS = 60

/** The nodes that a verdict accuses; a rack uplink is all nodes of the rack. */
const accusedBy = (verdict: Verdict, rackSize: number, nodeCount: number): number[][] => {
  if (verdict.kind === 'rack_uplink') {
    const first = numberOf(verdict.rack) * rackSize
    const last = Math.min(first + rackSize, nodeCount)
    return [Array.from({ length: last - first }, (_, index) => first + index)]
  }
  const named = [verdict.node, verdict.peer].filter((name) => name !== '')
  return named.length === 0 ? [] : [named.map(numberOf)]
}

/**
 * No verdict accuses anything healthy: each names a node that has a fault, or had one until lately. And a fault that
 * lasts is named within the time that its kind states.
 */
export const createVerdictChecker = (
  world: World,
  faults: readonly InjectedFault[],
  options: { rackSize: number; everySeconds: number; verdicts: () => readonly Verdict[] },
) => {
  const { time } = world
  const named = new Set<InjectedFault>()
  const byRuns = createRunVerdictCheck(faults)
  let disturbedSeconds = 0
  let dueSeconds = 0

  const suspects = (sinceSeconds: number, isRun: boolean): Set<number> =>
    new Set(
      faults
        .filter(({ accusable }) => accusable === 'always' || (isRun && accusable === 'by runs'))
        .filter((fault) => isActive(fault, sinceSeconds))
        .flatMap(({ nodes }) => nodes),
    )
  const wrongly = (verdicts: readonly Verdict[], guilty: ReadonlySet<number>): string[] =>
    verdicts.flatMap((verdict) =>
      accusedBy(verdict, options.rackSize, world.agents.length).flatMap((accused) =>
        accused.some((node) => guilty.has(node))
          ? []
          : [
              `a healthy part is accused: ${verdict.message} (faulty: ${[...guilty].join(', ') || 'nothing'})`,
            ],
      ),
    )
  const late = (verdicts: readonly Verdict[]): string[] => {
    const now = time.seconds()
    const current = faults.filter(({ endSeconds }) => endSeconds === undefined)
    if (current.some(({ disturbsJudging }) => disturbsJudging)) disturbedSeconds = now
    const accused = new Set(verdicts.flatMap(({ node, peer }) => [numberOf(node), numberOf(peer)]))
    const problems: string[] = []
    for (const fault of current) {
      const { nodes, namedWithinSeconds, beginSeconds } = fault
      if (namedWithinSeconds === undefined || named.has(fault)) continue
      if (nodes.some((node) => accused.has(node))) {
        named.add(fault)
        continue
      }
      // Another fault of the same node may hide it.
      const isAlone = current.every(
        (other) => other === fault || !other.nodes.some((node) => nodes.includes(node)),
      )
      const sinceSeconds = Math.max(beginSeconds, disturbedSeconds + SETTLE_SECONDS)
      if (!isAlone || now - sinceSeconds <= namedWithinSeconds) continue
      named.add(fault)
      problems.push(`not named within ${namedWithinSeconds} s: ${fault.kind}, s${nodes.join(' and s')}`)
    }
    return problems
  }

  const checker: Checker = {
    name: 'verdicts',
    check: () => {
      const now = time.seconds()
      if (!world.collector.isRunning()) disturbedSeconds = now
      if (now < dueSeconds || !world.collector.isRunning() || world.collector.clock().isStopped()) return []
      dueSeconds = now + options.everySeconds
      const verdicts = options.verdicts()
      return [...wrongly(verdicts, suspects(now - GRACE_SECONDS, false)), ...late(verdicts)]
    },
    finish: () => options.verdicts().map(({ message }) => `all is well, and yet: ${message}`),
  }
  return {
    checker,
    /** What is wrong with the verdicts of a run that has ended. */
    checkRun: (run: Run, results: readonly PairResult[], startSeconds: number): string[] => [
      ...wrongly(run.verdicts, suspects(startSeconds - GRACE_SECONDS, true)),
      ...byRuns.check(run, results, startSeconds),
    ],
    /** Nodes that a run of this test must name, if it measures them with enough others. */
    nameable: byRuns.nameable,
    /** Faults that a run had to name and named. */
    namedByRunsCount: byRuns.namedCount,
    /** Faults that had to be named and were. */
    namedCount: (): number => named.size,
  }
}
