import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { isFailed, isMeasured } from '../../../collector/dispatch/outcomes.ts'
import type { PairResult } from '../../../collector/dispatch/pair-result.ts'
import type { Run } from '../../../collector/store/run.ts'
import type { Fault } from '../faults/fault.ts'

/** A run with fewer nodes has too few good pairs to name one. */
const MIN_RUN_NODES = 6

/** A fault with the time that it was there. */
export type InjectedFault = Fault & { beginSeconds: number; endSeconds: number | undefined }

export const numberOf = (node: string): number => Number(node.slice(1))

/** Whether a fault was there at any time since then. */
export const isActive = ({ endSeconds }: InjectedFault, sinceSeconds: number) =>
  endSeconds === undefined || endSeconds >= sinceSeconds

/** Whether runs name the faults that they must name. */
export const createRunVerdictCheck = (faults: readonly InjectedFault[]) => {
  let namedCount = 0
  /** Faults that lasted for a whole run and that it does not name, although it measured them with enough sound nodes. */
  const check = (run: Run, results: readonly PairResult[], startSeconds: number): string[] => {
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
        namedCount++
        return []
      }
      return [`a run of ${kind} with ${nodeCount - 1} sound nodes does not name s${node}: ${fault.kind}`]
    })
  }
  return {
    check,
    nameable: (test: 'ping' | 'iperf'): number[] =>
      faults
        .filter(({ endSeconds, namedByRuns }) => endSeconds === undefined && namedByRuns?.includes(test))
        .flatMap(({ nodes }) => nodes),
    namedCount: (): number => namedCount,
  }
}
