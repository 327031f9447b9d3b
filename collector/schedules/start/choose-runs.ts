import { TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../../lib/clock.ts'
import { throwIfInvalid } from '../../../lib/errors.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { formatBytes, formatDuration } from '../../../lib/units.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import { isBidirectional } from '../../plan/caps.ts'
import { bytesOf } from '../../plan/estimate.ts'
import { type RunSpec, reviewedRunSpec } from '../../plan/run-spec.ts'
import type { Profile } from '../../profiles/profile.ts'
import { reviewRun } from '../../runs/prepare.ts'
import type { Runs } from '../../runs/runs.ts'
import type { CoverageLedger } from '../coverage/coverage-ledger.ts'
import { createCoverageTable, lastTimesOfReadyPairs } from '../coverage/coverage-table.ts'
import { pickDuePairs, type YieldIfDue } from '../coverage/due-pairs.ts'
import { resolveProfile } from '../define/review.ts'
import type { ScheduleSpec } from '../define/schedule-spec.ts'
import { type Cost, remainingOf } from '../state/budget.ts'
import type { StartOutcome } from '../state/start-history.ts'
import { CostMeter, pairSecondsOf } from './cost-meter.ts'
import { type PairCost, rowsWithinBudget, runsOfRows } from './due-runs.ts'

export type ChooseRunsDeps = {
  clock: Pick<Clock, 'now'>
  runs: Pick<Runs, 'plan'>
  fleet: Pick<Fleet, 'nodes' | 'refresh'>
  ledger: CoverageLedger
  profiles: ReadonlyMap<string, Profile>
  yieldIfDue: YieldIfDue
}

export type ChooseRunsOptions = {
  /** Someone has requested this start: earlier costs do not count against the budget. */
  isTriggered: boolean
  /** The costs of the budget's period. */
  spent: Cost
  /** When the schedule began, Unix seconds. */
  since: number
  /** The next starts, Unix seconds, rising. */
  laterStarts: readonly number[]
}

/** One run of a start, and the pause after it in seconds. */
export type RunOfStart = { spec: RunSpec; pause: number }

const HOUR = 3600

/**
 * The runs of one start, or why there is none.
 * @throws OperatingError when the fleet or a profile does not allow the runs, STORE_UNAVAILABLE
 */
export const chooseRuns = async (
  deps: ChooseRunsDeps,
  spec: ScheduleSpec,
  options: ChooseRunsOptions,
): Promise<RunOfStart[] | StartOutcome> =>
  spec.everyPairWithin && spec.work?.kind === 'run'
    ? chooseDueRuns(deps, spec, reviewedRunSpec(spec.work.run), options)
    : chooseAllRuns(deps, spec, options)

/** All runs of the schedule, if the budget allows all of them. */
const chooseAllRuns = async (
  deps: ChooseRunsDeps,
  spec: ScheduleSpec,
  options: ChooseRunsOptions,
): Promise<RunOfStart[] | StartOutcome> => {
  const planned = allRunsOf(deps, spec)
  if (!spec.budget || options.isTriggered) return planned
  const meter = new CostMeter()
  for (const run of planned) meter.addPlan(await deps.runs.plan(run.spec))
  const reason = overBudgetText(meter.total, remainingOf(spec.budget, options.spent))
  return reason === undefined ? planned : { kind: 'over_budget', reason }
}

/** Runs of the pairs that are due, as many as the budget allows. */
const chooseDueRuns = async (
  deps: ChooseRunsDeps,
  spec: ScheduleSpec,
  run: RunSpec,
  options: ChooseRunsOptions,
): Promise<RunOfStart[] | StartOutcome> => {
  await deps.fleet.refresh()
  const table = await createCoverageTable(deps.ledger, run, deps.fleet.nodes())
  const now = Math.floor(deps.clock.now().getTime() / 1000)
  const untilNextStart = (options.laterStarts[0] ?? now + HOUR) - now
  const due = await pickDuePairs(lastTimesOfReadyPairs(table), {
    now,
    within: fromDuration(spec.everyPairWithin) ?? 0,
    slack: (fromDuration(spec.jitter) ?? 0) + Math.min(untilNextStart / 2, HOUR),
    laterStarts: options.laterStarts,
    since: options.since,
    all: options.isTriggered,
    yieldIfDue: deps.yieldIfDue,
  })
  if (due.length === 0) return { kind: 'nothing_due', reason: 'no pair of agents that answer is due' }
  const cost = pairCostOf(deps, run)
  const spent = options.isTriggered ? { bytes: 0, busySeconds: 0 } : options.spent
  const remaining = remainingOf(spec.budget, spent)
  const chosen = rowsWithinBudget(table, due, cost, remaining)
  if (chosen.length === 0) {
    const reason = overBudgetText({ bytes: cost.bytes, busySeconds: pairSecondsOf(run.test) }, remaining)
    const pairs = due.length === 1 ? '1 pair is due; it' : `${due.length} pairs are due; one more`
    return { kind: 'over_budget', reason: `${pairs} ${reason}` }
  }
  return runsOfRows({ ...run, ...nameOf(spec) }, table, chosen).map((each) => ({ spec: each, pause: 0 }))
}

/** The name of the schedule, as its runs have it. */
const nameOf = ({ name }: ScheduleSpec) => ({ label: name, schedule: name })

const allRunsOf = (deps: ChooseRunsDeps, spec: ScheduleSpec): RunOfStart[] => {
  const now = deps.clock.now()
  return configuredRunsOf(deps, spec).flatMap(({ spec: run, pause }) => {
    const labelled = { ...withNewSeed(run, now), ...nameOf(spec) }
    const runs = spec.eachInterface ? onePerInterface(deps, labelled) : [labelled]
    return runs.map((each) => ({ spec: each, pause }))
  })
}

const configuredRunsOf = (deps: ChooseRunsDeps, { work }: ScheduleSpec): RunOfStart[] => {
  if (work?.kind === 'run') return [{ spec: reviewedRunSpec(work.run), pause: 0 }]
  if (work?.kind !== 'profile') return []
  return resolveProfile(work.source, deps.profiles).steps.map(({ spec, cooldownSeconds }) => ({
    spec,
    pause: cooldownSeconds ?? 0,
  }))
}

/** Random shifts get a new seed at each start. With the same seed, the other pairs would never be measured. */
const withNewSeed = (spec: RunSpec, now: Date): RunSpec =>
  spec.topology.kind === TopologyKind.TOPOLOGY_KIND_SHIFTS && spec.topology.seed === 0
    ? { ...spec, topology: { ...spec.topology, seed: Math.floor(now.getTime() / 1000) >>> 0 } }
    : spec

const onePerInterface = (deps: ChooseRunsDeps, spec: RunSpec): RunSpec[] => {
  const { names, violations } = reviewRun(spec, deps.fleet.nodes())
  throwIfInvalid('the run', violations)
  return names.map((name) => ({ ...spec, interfaces: [name] }))
}

const pairCostOf = (deps: ChooseRunsDeps, run: RunSpec): PairCost => {
  // The speed of the fastest interface of the fleet: the estimate is rather too high than too low.
  const speeds = deps.fleet
    .nodes()
    .flatMap(({ description }) => description?.interfaces.map((link) => link.speedBitsPerSecond ?? 0) ?? [])
  const speed = speeds.reduce((max, each) => Math.max(max, each), 0)
  return {
    seconds: run.test.kind === 'ping' ? 0 : pairSecondsOf(run.test),
    bytes: bytesOf(run.test, Int32Array.of(0), () => speed || undefined) ?? 0,
    isBidirectional: isBidirectional(run.test),
  }
}

/** Which limit a cost exceeds, as the end of a sentence; undefined when it exceeds none. */
const overBudgetText = (cost: Cost, remaining: Cost): string | undefined => {
  if (cost.bytes > remaining.bytes)
    return `would send about ${formatBytes(cost.bytes)}, but only ${formatBytes(Math.max(0, remaining.bytes))} of the budget remain`
  if (cost.busySeconds > remaining.busySeconds)
    return `would keep an interface busy for about ${formatDuration(cost.busySeconds)}, but only ${formatDuration(Math.max(0, remaining.busySeconds))} of the budget remain`
  return undefined
}
