import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import { createClearedVerdicts } from '../../diagnosis/cleared-verdicts.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import type { FleetNode } from '../../inventory/node.ts'
import type { Run } from '../../store/run.ts'

/** A verdict that no later run of the same test has cleared. */
export type StandingVerdict = { run: string; test: string; verdict: Verdict; time: Date }

/** With more verdicts, the fleet as a whole is down. The oldest verdicts are forgotten. */
const MAX_VERDICTS = 10_000

const keyOf = (test: string, { kind, node, interface: name, direction, peer, rack }: Verdict): string =>
  [test, kind, node, name, direction, peer, rack].join('\0')

/** The verdicts of ended runs that still apply. */
export class StandingVerdicts {
  readonly #verdicts = new Map<string, StandingVerdict>()

  /** Adds the verdicts of a run, and removes those that it clears. Runs must be passed in the order in which they end. */
  observeRun(run: Run, results: readonly PairResult[]): void {
    if (run.state !== RunState.RUN_STATE_COMPLETED) return
    const test = run.spec.test.kind
    const time = fromTimestamp(run.endTime) ?? new Date(0)
    const isCleared = createClearedVerdicts(results)
    for (const [key, each] of this.#verdicts)
      if (each.test === test && isCleared(each.verdict)) this.#verdicts.delete(key)
    for (const verdict of run.verdicts) {
      const key = keyOf(test, verdict)
      this.#verdicts.delete(key)
      this.#verdicts.set(key, { run: run.id, test, verdict, time })
    }
    for (const key of this.#verdicts.keys()) {
      if (this.#verdicts.size <= MAX_VERDICTS) break
      this.#verdicts.delete(key)
    }
  }

  list(): StandingVerdict[] {
    return [...this.#verdicts.values()]
  }
}

/**
 * Whether a verdict is a reason against a node of a job. Its culprit is then the node, one of its interfaces, its class,
 * its link to another node of the job, or the uplink between its rack and another rack that the job uses.
 */
export const concernsNode = (verdict: Verdict, node: FleetNode, job: readonly FleetNode[]): boolean => {
  switch (verdict.kind) {
    case 'node':
    case 'interface':
      return verdict.node === node.name
    case 'link': {
      const linked = [verdict.node, verdict.peer]
      return linked.includes(node.name) && linked.every((name) => job.some((each) => each.name === name))
    }
    case 'class':
      return verdict.nodes.includes(node.name)
    case 'rack_uplink':
      return node.rack === verdict.rack && job.some(({ rack }) => rack !== verdict.rack)
    // A program is not the network, and unattributed pairs name no node.
    case 'program':
    case 'unattributed':
      return false
  }
}
