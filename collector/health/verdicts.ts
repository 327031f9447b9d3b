import type { Node } from '#proto/meshgauge/collector/v1/fleet.ts'
import { CulpritKind, type PairResult, type Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { createClearedVerdicts } from '../diagnosis/cleared-verdicts.ts'

/** A verdict that no later run of the same test has acquitted. */
export type StandingVerdict = { run: string; test: string; verdict: Verdict; time: Date }

/** More is no fleet with a few culprits but one that is down. */
const MAX_STANDING = 10_000

const keyOf = (test: string, { kind, node, interface: name, direction, peer, rack }: Verdict): string =>
  [test, kind, node, name, direction, peer, rack].join('\0')

/** Remembers whom the last runs blame. */
export const createVerdicts = () => {
  const standing = new Map<string, StandingVerdict>()
  return {
    /** A run that has ended, in the order in which runs end. */
    observe(run: Run, results: readonly PairResult[]): void {
      if (run.state !== RunState.RUN_STATE_COMPLETED) return
      const test = run.spec?.test?.$case ?? ''
      const time = fromTimestamp(run.endTime) ?? new Date(0)
      const isAcquitted = createClearedVerdicts(results)
      for (const [key, each] of standing)
        if (each.test === test && isAcquitted(each.verdict)) standing.delete(key)
      for (const verdict of run.verdicts) {
        const key = keyOf(test, verdict)
        standing.delete(key)
        standing.set(key, { run: run.id, test, verdict, time })
      }
      for (const key of standing.keys()) {
        if (standing.size <= MAX_STANDING) break
        standing.delete(key)
      }
    },

    list: (): StandingVerdict[] => [...standing.values()],
  }
}

/**
 * Whether a verdict is a reason against a node of a job: it blames the node or its interface, its link to another node
 * of the job, or the uplink between its rack and others that the job uses.
 */
export const concerns = (verdict: Verdict, node: Node, job: readonly Node[]): boolean => {
  switch (verdict.kind) {
    case CulpritKind.CULPRIT_KIND_NODE:
    case CulpritKind.CULPRIT_KIND_INTERFACE:
      return verdict.node === node.name
    case CulpritKind.CULPRIT_KIND_LINK: {
      const ends = [verdict.node, verdict.peer]
      return ends.includes(node.name) && ends.every((end) => job.some(({ name }) => name === end))
    }
    case CulpritKind.CULPRIT_KIND_RACK_UPLINK:
      return node.rack === verdict.rack && job.some(({ rack }) => rack !== verdict.rack)
    default:
      return false
  }
}
