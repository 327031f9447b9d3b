/**
 * Precision and recall of the verdicts of the ping mesh, with all heuristics and without each one, on simulated faults.
 * A verdict counts once per fault, however long it lasts. `TRIALS` sets the number of faults of each kind.
 */

import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Verdict } from '../../collector/diagnosis/verdict.ts'
import { createDirections } from '../../collector/mesh/judge/directions.ts'
import { createPathResults } from '../../collector/mesh/judge/path-results.ts'
import { createBroadVerdictHold, verdictKey } from '../../collector/mesh/judge/recovering-verdicts.ts'
import { judgeMesh } from '../../collector/mesh/judge/verdicts.ts'
import { createInterfaceStates } from '../../collector/mesh/state/interface-state.ts'
import type { MeasuredPath } from '../../collector/mesh/state/paths.ts'
import { createRandom } from '../../collector/topology/random.ts'
import { createMeshModel, FAULTS, type Fault, RACKS } from './mesh-heuristics-model.ts'

const TRIALS = Number(process.env.TRIALS ?? 20)
/** As in judge/evaluator.ts. */
const SETTLE_SECONDS = 1.5
const MAX_SETTLE_SECONDS = 6

const HEURISTICS = ['pooled loss', 'recovering verdicts', 'narrowing', 'echo balance'] as const
type Heuristic = (typeof HEURISTICS)[number]

type Score = {
  verdicts: number
  trueVerdicts: number
  faults: number
  found: number
  /** Faults of one direction: named with it, and named with the other. */
  directions: number
  rightDirections: number
  wrongDirections: number
}

/** Marks every bad path as failing at this moment, so that none counts as recovering. */
const asActive = (measured: readonly MeasuredPath[]): MeasuredPath[] =>
  measured.map((each) => {
    const { health } = each.path
    if (each.state === PathState.PATH_STATE_UP || health.trailingLost > 0) return each
    return { ...each, path: { ...each.path, health: { ...health, trailingLost: 1 } } }
  })

/** The verdicts of one fault, by culprit, each with the last direction that was named. */
const verdictsOf = (
  fault: Fault | undefined,
  seed: number,
  without: Heuristic | undefined,
): Map<string, Verdict> => {
  const model = createMeshModel(fault, createRandom(seed))
  const { paths, ingest, echoes, agents, pathStates } = model
  const interfaces = createInterfaceStates()
  const hold = createBroadVerdictHold()
  const results = createPathResults(paths.recent)
  const directions = createDirections({
    paths: paths.all,
    interfaces: paths.interfaces,
    echoes,
    delivers: agents.delivers,
    interfaceProblem: agents.interfaceProblem,
  })
  const seen = new Map<string, Verdict>()
  let previous: readonly Verdict[] = []
  let changed: number | undefined
  let firstChange: number | undefined
  while (!model.isOver()) {
    if (model.step()) {
      changed = model.second
      firstChange ??= model.second
    }
    const nowMs = model.nowMs()
    if (without !== 'pooled loss')
      model.clearRecovered(interfaces.update(paths.interfaces(), ingest.lostSince, Math.floor(nowMs / 1000)))
    const isSettled =
      changed === undefined ||
      model.second - changed >= SETTLE_SECONDS ||
      model.second - firstChange! >= MAX_SETTLE_SECONDS
    if (!isSettled) continue
    changed = undefined
    firstChange = undefined
    const measured = pathStates.measured()
    const found = judgeMesh({
      measured: without === 'recovering verdicts' ? asActive(measured) : measured,
      results,
      silent: new Set(),
      interfaceProblem: agents.interfaceProblem,
      lossy: interfaces.lossy(),
      racks: RACKS,
      previous,
      nowMs,
      lossSince: () => undefined,
      shiftMs: 0,
    })
    previous = without === 'narrowing' ? found : hold(found, previous, nowMs)
    const verdicts = without === 'echo balance' ? previous : directions.addTo(previous, nowMs)
    for (const verdict of verdicts) seen.set(verdictKey(verdict), verdict)
  }
  return seen
}

const scoreOf = (kind: string, without: Heuristic | undefined): Score => {
  const score = { verdicts: 0, trueVerdicts: 0, faults: 0, found: 0 }
  const directions = { directions: 0, rightDirections: 0, wrongDirections: 0 }
  for (let trial = 0; trial < TRIALS; trial++) {
    const fault = FAULTS[kind]!(createRandom(trial * 7919 + 1))
    const seen = verdictsOf(fault, trial * 104_729 + 1, without)
    score.verdicts += seen.size
    if (!fault) continue
    score.faults++
    const named = seen.get(verdictKey({ ...fault.culprit, peer: '' } as Verdict))
    if (fault.direction) directions.directions++
    if (!named) continue
    score.found++
    score.trueVerdicts++
    if (!fault.direction || named.direction === 'both') continue
    if (named.direction === fault.direction) directions.rightDirections++
    else directions.wrongDirections++
  }
  return { ...score, ...directions }
}

const percent = (part: number, whole: number): string =>
  whole === 0 ? '-'.padStart(7) : `${((100 * part) / whole).toFixed(1)} %`.padStart(7)

const show = (score: Score): string =>
  `precision ${percent(score.trueVerdicts, score.verdicts)} of ${String(score.verdicts).padStart(4)}, ` +
  `recall ${percent(score.found, score.faults)} of ${String(score.faults).padStart(4)}, ` +
  `direction ${percent(score.rightDirections, score.directions)} right, ${score.wrongDirections} wrong`

const total = (scores: readonly Score[]): Score =>
  scores.reduce((sum, score) => {
    const keys = Object.keys(sum) as (keyof Score)[]
    return Object.fromEntries(keys.map((key) => [key, sum[key] + score[key]])) as Score
  })

console.log(`${TRIALS} faults of each kind`)
for (const without of [undefined, ...HEURISTICS]) {
  const scores = Object.keys(FAULTS).map((kind) => scoreOf(kind, without))
  console.log(`\n${without ? `Without ${without}` : 'All heuristics'}: ${show(total(scores))}`)
  for (const [index, kind] of Object.keys(FAULTS).entries())
    console.log(`  ${kind.padEnd(46)} ${show(scores[index]!)}`)
}
