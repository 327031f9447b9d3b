/** Words for the values of protobuf enums, as texts and JSON documents show them: `RUN_STATE_COMPLETED` is `completed`. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { CulpritKind, FaultDirection, JudgementState } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'

/** The words of an enum by value. The generated name without the prefix, in lower case; UNSPECIFIED has no word. */
export const enumWords = (values: Readonly<Record<string, number>>, prefix: string): Map<number, string> =>
  new Map(
    Object.entries(values).flatMap(([name, value]) =>
      name.startsWith(prefix) && value > 0 ? [[value, name.slice(prefix.length).toLowerCase()]] : [],
    ),
  )

/** A function from a value of an enum to its word; `unknown` for UNSPECIFIED and for values of a newer protocol. */
export const wordOf = (
  values: Readonly<Record<string, number>>,
  prefix: string,
): ((value: number) => string) => {
  const words = enumWords(values, prefix)
  return (value) => words.get(value) ?? 'unknown'
}

export const outcomeWord = wordOf(Outcome, 'OUTCOME_')
export const stateWord = wordOf(RunState, 'RUN_STATE_')
export const topologyWord = wordOf(TopologyKind, 'TOPOLOGY_KIND_')
export const culpritWord = wordOf(CulpritKind, 'CULPRIT_KIND_')
export const judgementWord = wordOf(JudgementState, 'JUDGEMENT_STATE_')
export const directionWord = wordOf(FaultDirection, 'FAULT_DIRECTION_')

export const runTopology = (run: Run): string =>
  topologyWord(run.spec?.topology?.kind ?? TopologyKind.TOPOLOGY_KIND_UNSPECIFIED)

export const runTest = (run: Run): 'ping' | 'iperf' => (run.spec?.test?.$case === 'ping' ? 'ping' : 'iperf')

/** States in which a run no longer changes. */
const ENDED: readonly RunState[] = [
  RunState.RUN_STATE_COMPLETED,
  RunState.RUN_STATE_CANCELLED,
  RunState.RUN_STATE_INTERRUPTED,
  RunState.RUN_STATE_FAILED,
]

export const hasEnded = (run: Run): boolean => ENDED.includes(run.state)
