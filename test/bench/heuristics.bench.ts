/**
 * Precision and recall of the diagnosis of runs, with all heuristics and without each one, on model fabrics with known
 * faults. Both variants see the same random numbers. `TRIALS` sets the number of fabrics per scenario.
 */

import { betterResult } from '../../collector/diagnosis/better-result.ts'
import { diagnose } from '../../collector/diagnosis/diagnosis.ts'
import { judgeRun } from '../../collector/diagnosis/run-judgement.ts'
import type { Heuristics } from '../../collector/diagnosis/thresholds.ts'
import type { Verdict } from '../../collector/diagnosis/verdict.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import { pairKey } from '../../collector/inventory/keys.ts'
import { createRandom } from '../../collector/topology/random.ts'
import type { Culprit, Scenario } from './heuristics-model.ts'
import { SCENARIOS } from './heuristics-scenarios.ts'

const TRIALS = Number(process.env.TRIALS ?? 40)
/** As many as runs/active-run.ts measures again. */
const maxRetests = (nodeCount: number) => Math.max(20, 4 * nodeCount)

type Variant = { name: string; heuristics?: Partial<Heuristics>; isWithoutRetest?: boolean }

const ALL: Variant = { name: 'all heuristics' }
const WITHOUT: readonly Variant[] = [
  { name: 'retest', isWithoutRetest: true },
  { name: 'good peers', heuristics: { minGoodPeers: 0 } },
  { name: 'bad ratio', heuristics: { minBadRatio: 0 } },
  { name: 'deviations', heuristics: { minDeviations: 0 } },
  { name: 'link classes', heuristics: { minClassSize: Number.POSITIVE_INFINITY } },
  { name: 'ability quantile', heuristics: { abilityQuantile: 0.5 } },
  { name: 'pooled loss', heuristics: { poolsLoss: false } },
  { name: 'inside rack', heuristics: { comparesInsideRack: false } },
  { name: 'across racks', heuristics: { comparesAcrossRacks: false } },
  { name: 'node classes', heuristics: { findsClasses: false } },
  { name: 'link prior', heuristics: { linksPerRun: Number.POSITIVE_INFINITY } },
]

/** Unattributed verdicts name nobody: they are counted apart from those that are true or false. */
type Score = {
  verdicts: number
  trueVerdicts: number
  faults: number
  found: number
  unattributed: number
  /** Runs with a fault whose answer is a verdict of any kind. */
  alarms: number
}

const names = (culprit: Culprit, verdict: Verdict): boolean =>
  culprit.kind === verdict.kind &&
  (culprit.directions === undefined || culprit.directions.includes(verdict.direction)) &&
  (['node', 'peer', 'rack'] as const).every((field) => (culprit[field] ?? '') === verdict[field])

const verdictsOf = (scenario: Scenario, seed: number, variant: Variant) => {
  const random = createRandom(seed)
  const { faults, racks, pairs, measure } = scenario.create(random)
  const latest = new Map<string, PairResult>()
  const run = (source: number, destination: number, attempt: number) => {
    const result = measure(source, destination, 1)
    const key = pairKey(result.source, result.destination)
    const earlier = latest.get(key)
    latest.set(key, earlier && attempt > 1 ? betterResult(earlier, result) : result)
  }
  for (const [pair, source] of pairs.sources.entries()) run(source, pairs.destinations[pair]!, 1)
  const evidence = () => ({
    results: [...latest.values()],
    requestedCount: latest.size,
    racks,
    ...(variant.heuristics && { heuristics: variant.heuristics }),
  })
  const indexOf = (name: string) => Number(name.slice('node-'.length)) - 1
  for (const attempt of variant.isWithoutRetest ? [] : [2, 3]) {
    for (const { source, destination } of diagnose(evidence()).suspects.slice(0, maxRetests(scenario.nodes)))
      run(indexOf(source.node), indexOf(destination.node), attempt)
  }
  return { faults, verdicts: judgeRun(evidence()).verdicts }
}

const scoreOf = (scenario: Scenario, variant: Variant): Score => {
  const score = { verdicts: 0, trueVerdicts: 0, faults: 0, found: 0, unattributed: 0, alarms: 0 }
  for (let trial = 0; trial < TRIALS; trial++) {
    const { faults, verdicts: all } = verdictsOf(scenario, trial * 7919 + 1, variant)
    const verdicts = all.filter(({ kind }) => kind !== 'unattributed')
    score.unattributed += all.length - verdicts.length
    if (all.length > 0) score.alarms++
    score.verdicts += verdicts.length
    score.trueVerdicts += verdicts.filter((verdict) => faults.some((fault) => names(fault, verdict))).length
    score.faults += faults.length
    score.found += faults.filter((fault) => verdicts.some((verdict) => names(fault, verdict))).length
  }
  return score
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 1 : part / whole)
const percent = (part: number, whole: number): string =>
  whole === 0 ? '    -  ' : `${(100 * ratio(part, whole)).toFixed(1)} %`.padStart(7)
const show = ({ verdicts, trueVerdicts, faults, found, unattributed, alarms }: Score): string =>
  `precision ${percent(trueVerdicts, verdicts)} of ${String(verdicts).padStart(5)}, recall ${percent(found, faults)} of ${String(faults).padStart(4)}, ${String(unattributed).padStart(4)} unattributed, ${String(alarms).padStart(4)} runs with exit 1`

/** Two standard errors of a ratio near the given one; at least one case. */
const noise = (value: number, count: number): number =>
  count === 0 ? 0 : Math.max(1 / count, 2 * Math.sqrt((value * (1 - value)) / count))

const falseCount = ({ verdicts, trueVerdicts }: Score): number => verdicts - trueVerdicts

/** Worse in precision or recall; without faults precision has no meaning, so there the false verdicts are compared. */
const isWorse = (one: Score, other: Score): boolean => {
  const recall = ratio(one.found, one.faults)
  if (recall - ratio(other.found, other.faults) > noise(recall, one.faults)) return true
  if (one.faults === 0) return falseCount(other) - falseCount(one) > 2 * Math.sqrt(falseCount(one) + 1)
  const precision = ratio(one.trueVerdicts, one.verdicts)
  return precision - ratio(other.trueVerdicts, other.verdicts) > noise(precision, other.verdicts)
}

const total = (scores: readonly Score[]): Score => ({
  verdicts: scores.reduce((sum, score) => sum + score.verdicts, 0),
  trueVerdicts: scores.reduce((sum, score) => sum + score.trueVerdicts, 0),
  faults: scores.reduce((sum, score) => sum + score.faults, 0),
  found: scores.reduce((sum, score) => sum + score.found, 0),
  unattributed: scores.reduce((sum, score) => sum + score.unattributed, 0),
  alarms: scores.reduce((sum, score) => sum + score.alarms, 0),
})

const baseline = SCENARIOS.map((scenario) => scoreOf(scenario, ALL))
console.log(`${TRIALS} fabrics per scenario\n\nAll heuristics: ${show(total(baseline))}`)
for (const [index, { name }] of SCENARIOS.entries())
  console.log(`  ${name.padEnd(34)} ${show(baseline[index]!)}`)
for (const variant of WITHOUT) {
  const scores = SCENARIOS.map((scenario) => scoreOf(scenario, variant))
  console.log(`\nWithout ${variant.name}: ${show(total(scores))}`)
  const worse = SCENARIOS.flatMap(({ name }, index) =>
    isWorse(baseline[index]!, scores[index]!) ? [`  ${name.padEnd(34)} ${show(scores[index]!)}`] : [],
  )
  console.log(worse.length > 0 ? worse.join('\n') : '  no scenario is worse by more than the noise')
}
