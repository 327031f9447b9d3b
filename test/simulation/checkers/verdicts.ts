import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Verdict } from '../../../collector/diagnosis/verdict.ts'
import { isFailed, isMeasured } from '../../../collector/dispatch/outcomes.ts'
import type { PairResult } from '../../../collector/dispatch/pair-result.ts'
import type { Run } from '../../../collector/store/run.ts'
import type { Fault } from '../faults/fault.ts'
import type { World } from '../world/world.ts'
import type { Checker } from './checker.ts'

/** Evidence of a fault stays in the last minute, and what was bad is held down for longer than that. */
const GRACE_SECONDS = 240
/** After this, the collector has heard of all agents again and has judged them. */
const SETTLE_SECONDS = 60
/** A run with fewer nodes has too few good pairs to name one. */
const MIN_RUN_NODES = 6

/** A fault with the time that it was there. */
export type InjectedFault = Fault & { beginSeconds: number; endSeconds: number | undefined }

const numberOf = (node: string): number => Number(node.slice(1))

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
  let namedByRuns = 0
  let disturbedSeconds = 0
  let dueSeconds = 0

  const isActive = ({ endSeconds }: InjectedFault, sinceSeconds: number) =>
    endSeconds === undefined || endSeconds >= sinceSeconds
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

  /** Faults that lasted for a whole run and that it does not name, although it measured them with enough sound nodes. */
  const unnamedBy = (run: Run, results: readonly PairResult[], startSeconds: number): string[] => {
    const { kind } = run.spec.test
    const during = faults.filter((fault) => isActive(fault, startSeconds))
    if (run.state !== RunState.RUN_STATE_COMPLETED || during.some((fault) => fault.disturbsJudging)) return []
    const bad = new Set(during.flatMap(({ nodes, accusable }) => (accusable === 'never' ? [] : nodes)))
    const observed = results
      .filter((result) => isMeasured(result) || isFailed(result))
      .map(({ source, destination }) => [numberOf(source.node), numberOf(destination.node)] as const)
    return during.flatMap((fault) => {
      const [node] = fault.nodes
      const isAlone = during.every(
        (other) => other === fault || other.accusable === 'never' || !other.nodes.includes(node!),
      )
      const isWhole = fault.beginSeconds < startSeconds && fault.endSeconds === undefined
      if (!fault.namedByRuns?.includes(kind) || !isAlone || !isWhole) return []
      const involved = observed.filter((pair) => pair.every((each) => each === node || !bad.has(each)))
      const nodeCount = new Set(involved.flat()).size
      const isMeasuring = involved.some((pair) => pair.includes(node!))
      if (!isMeasuring || nodeCount < MIN_RUN_NODES || involved.length < nodeCount * (nodeCount - 1))
        return []
      if (run.verdicts.some((verdict) => numberOf(verdict.node) === node)) {
        namedByRuns++
        return []
      }
      return [`a run of ${kind} with ${nodeCount - 1} sound nodes does not name s${node}: ${fault.kind}`]
    })
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
      ...unnamedBy(run, results, startSeconds),
    ],
    /** Nodes that a run of this test must name, if it measures them with enough others. */
    nameable: (test: 'ping' | 'iperf'): number[] =>
      faults
        .filter(({ endSeconds, namedByRuns }) => endSeconds === undefined && namedByRuns?.includes(test))
        .flatMap(({ nodes }) => nodes),
    /** Faults that a run had to name and named. */
    namedByRunsCount: (): number => namedByRuns,
    /** Faults that had to be named and were. */
    namedCount: (): number => named.size,
  }
}
