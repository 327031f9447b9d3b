import type { Profile } from '#proto/meshgauge/collector/v1/profile.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, type RunSpec, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatBytes, formatDuration } from '../../lib/units.ts'
import { bytesOf, PAIR_OVERHEAD_SECONDS, testSeconds } from '../dispatch/estimate.ts'
import { isBidirectional, type PreparedRun } from '../dispatch/prepare.ts'
import type { Runs } from '../dispatch/runs.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { type Cost, leftOf } from './budget.ts'
import { measurable, runsOf, scopeOf, withinBudget } from './coverage.ts'
import { type Breathe, pickDue } from './due.ts'
import type { Ledger } from './ledger.ts'
import { resolveProfile } from './review.ts'

export type StartDeps = {
  clock: Clock
  runs: Pick<Runs, 'plan' | 'create' | 'watch'>
  fleet: Pick<Fleet, 'nodes' | 'refresh'>
  ledger: Ledger
  builtIns: ReadonlyMap<string, Profile>
  breathe: Breathe
}

export type StartOptions = {
  /** Someone asked for it: what was spent before does not count. */
  triggered: boolean
  /** What was spent in the sliding time. */
  spent: Cost
  /** When the schedule began, Unix seconds. */
  since: number
  /** Its next starts, Unix seconds, rising. */
  starts: readonly number[]
  signal: AbortSignal
  onRun(run: Run): void
  /** A run has ended and cost so much. */
  onSpent(cost: Cost): void
}

/** Why nothing of a start came to be, or how its last run ended. */
export type StartEnd =
  | { kind: 'over_budget' | 'nothing_due' | 'failed'; reason: string }
  | { kind: 'ended'; succeeded: boolean; reason: string }

/** One run of a start, and the pause after it in seconds. */
type Step = { spec: RunSpec; pause: number }

const secondsOf = (spec: RunSpec): number => testSeconds(spec) + PAIR_OVERHEAD_SECONDS

/** What a whole run is expected to cost. Pings share their interfaces: they make none busy. */
const costOf = (prepared: PreparedRun): Cost => {
  const bytes = prepared.message.bytes ?? 0
  if (prepared.spec.test?.$case === 'ping') return { bytes, busySeconds: 0 }
  const out = new Uint32Array(prepared.endpoints.length)
  const into = isBidirectional(prepared.spec) ? out : new Uint32Array(prepared.endpoints.length)
  for (const end of prepared.sources) out[end]!++
  for (const end of prepared.destinations) into[end]!++
  const most = out.reduce((max, count, end) => Math.max(max, count, into[end]!), 0)
  return { bytes, busySeconds: most * secondsOf(prepared.spec) }
}

/** Counts what a run really costs, result by result. */
const createMeter = (test: string) => {
  let bytes = 0
  const busy = new Map<string, number>()
  const add = (key: string, seconds: number) => busy.set(key, (busy.get(key) ?? 0) + seconds)
  return {
    add(results: readonly PairResult[]): void {
      for (const { values, source, destination, startTime, endTime } of results) {
        if (values?.$case === 'iperf') bytes += values.value.sentBytes ?? values.value.receivedBytes ?? 0
        if (test !== 'iperf' || !startTime || !endTime) continue
        const seconds = Math.max(
          0,
          (fromTimestamp(endTime).getTime() - fromTimestamp(startTime).getTime()) / 1000,
        )
        add(`out ${source?.node} ${source?.interface}`, seconds)
        add(`in ${destination?.node} ${destination?.interface}`, seconds)
      }
    },
    cost: (): Cost => ({
      bytes,
      busySeconds: [...busy.values()].reduce((max, each) => Math.max(max, each), 0),
    }),
  }
}

/** The same random shifts each time would leave all other pairs unmeasured for ever. */
const reseeded = (spec: RunSpec, now: Date): RunSpec =>
  spec.topology?.kind === TopologyKind.TOPOLOGY_KIND_SHIFTS && spec.topology.seed === 0
    ? { ...spec, topology: { ...spec.topology, seed: Math.floor(now.getTime() / 1000) >>> 0 } }
    : spec

const eachInterface = (deps: StartDeps, spec: RunSpec): RunSpec[] => {
  if (spec.interfaces.length > 0) return spec.interfaces.map((name) => ({ ...spec, interfaces: [name] }))
  const names = new Set(deps.fleet.nodes().flatMap(({ interfaces }) => interfaces))
  return [...names].map((name) => ({ ...spec, interfaces: [name] }))
}

const stepsOf = (deps: StartDeps, spec: ScheduleSpec): Step[] => {
  const { work } = spec
  const base: Step[] =
    work?.$case === 'profile'
      ? resolveProfile(work.value, deps.builtIns).steps.map((step) => ({
          spec: step.spec!,
          pause: fromDuration(step.cooldown) ?? 0,
        }))
      : work?.$case === 'run'
        ? [{ spec: work.value, pause: 0 }]
        : []
  const now = deps.clock.now()
  return base.flatMap(({ spec: run, pause }) => {
    const labelled = { ...reseeded(run, now), runId: spec.name }
    const runs = spec.eachInterface ? eachInterface(deps, labelled) : [labelled]
    return runs.map((each) => ({ spec: each, pause }))
  })
}

const exceeds = (cost: Cost, left: Cost): string | undefined => {
  if (cost.bytes > left.bytes)
    return `would send about ${formatBytes(cost.bytes)}, and ${formatBytes(Math.max(0, left.bytes))} of the budget are left`
  if (cost.busySeconds > left.busySeconds)
    return `would keep an interface busy for about ${formatDuration(cost.busySeconds)}, and ${formatDuration(Math.max(0, left.busySeconds))} of the budget are left`
  return undefined
}

/** Runs of all that is to be measured, or why there are none. */
const chooseAll = async (
  deps: StartDeps,
  spec: ScheduleSpec,
  options: StartOptions,
): Promise<Step[] | StartEnd> => {
  const steps = stepsOf(deps, spec)
  if (!spec.budget || options.triggered) return steps
  let cost: Cost = { bytes: 0, busySeconds: 0 }
  for (const step of steps) {
    const each = costOf(await deps.runs.plan(step.spec))
    cost = { bytes: cost.bytes + each.bytes, busySeconds: cost.busySeconds + each.busySeconds }
  }
  const reason = exceeds(cost, leftOf(spec.budget, options.spent))
  return reason === undefined ? steps : { kind: 'over_budget', reason }
}

const pairCostOf = (deps: StartDeps, run: RunSpec) => {
  // The fastest interface that any node has: rather too careful than over the budget.
  const speeds = deps.fleet
    .nodes()
    .flatMap(({ description }) => description?.interfaces.map((link) => link.speedBitsPerSecond ?? 0) ?? [])
  const speed = speeds.reduce((max, each) => Math.max(max, each), 0)
  const one = { spec: run, sources: Int32Array.of(0) }
  return {
    seconds: run.test?.$case === 'ping' ? 0 : secondsOf(run),
    bytes: bytesOf(one, () => speed || undefined) ?? 0,
    bothWays: isBidirectional(run),
  }
}

/** Runs of the pairs that are due, as many as the budget allows, or why there are none. */
const chooseDue = async (
  deps: StartDeps,
  spec: ScheduleSpec,
  run: RunSpec,
  options: StartOptions,
): Promise<Step[] | StartEnd> => {
  await deps.fleet.refresh()
  const scope = await scopeOf(deps.ledger, run, deps.fleet.nodes())
  const now = Math.floor(deps.clock.now().getTime() / 1000)
  const firstGap = (options.starts[0] ?? now + 3600) - now
  const due = await pickDue(measurable(scope), {
    now,
    within: fromDuration(spec.everyPairWithin) ?? 0,
    slack: (fromDuration(spec.jitter) ?? 0) + Math.min(firstGap / 2, 3600),
    starts: options.starts,
    since: options.since,
    all: options.triggered,
    breathe: deps.breathe,
  })
  if (due.length === 0) return { kind: 'nothing_due', reason: 'no pair is due whose agents answer' }
  const spent = options.triggered ? { bytes: 0, busySeconds: 0 } : options.spent
  const left = leftOf(spec.budget, spent)
  const taken = withinBudget(scope, due, pairCostOf(deps, run), left)
  if (taken.length === 0) {
    const reason = exceeds({ bytes: pairCostOf(deps, run).bytes, busySeconds: secondsOf(run) }, left)
    return { kind: 'over_budget', reason: `${due.length} pairs are due; one more ${reason}` }
  }
  return runsOf({ ...run, runId: spec.name }, scope, taken).map((each) => ({ spec: each, pause: 0 }))
}

const STOPPED: readonly RunState[] = [RunState.RUN_STATE_CANCELLED, RunState.RUN_STATE_INTERRUPTED]

/** Takes one run to its end. */
const carryOutRun = async (deps: StartDeps, spec: RunSpec, options: StartOptions): Promise<Run> => {
  let run = await deps.runs.create(spec)
  options.onRun(run)
  const meter = createMeter(spec.test?.$case ?? '')
  try {
    for await (const step of deps.runs.watch(run.id, options.signal)) {
      run = step.run
      meter.add(step.results)
    }
  } finally {
    options.onSpent(meter.cost())
  }
  return run
}

/**
 * One start of a schedule, from the choice of its pairs to the end of its last run.
 * @throws only bugs, and the signal's reason when that aborts
 */
export const carryOut = async (
  deps: StartDeps,
  spec: ScheduleSpec,
  options: StartOptions,
): Promise<StartEnd> => {
  try {
    const { work, everyPairWithin } = spec
    const steps =
      everyPairWithin && work?.$case === 'run'
        ? await chooseDue(deps, spec, work.value, options)
        : await chooseAll(deps, spec, options)
    if (!Array.isArray(steps)) return steps
    let succeeded = true
    let reason = ''
    for (const [index, { spec: run, pause }] of steps.entries()) {
      const ended = await carryOutRun(deps, run, options)
      if (ended.state !== RunState.RUN_STATE_COMPLETED) {
        succeeded = false
        reason = `run ${ended.id} ${STOPPED.includes(ended.state) ? 'was stopped' : 'failed'}${ended.stateReason ? `: ${ended.stateReason}` : ''}`
      }
      if (STOPPED.includes(ended.state)) break
      if (pause > 0 && index < steps.length - 1) await deps.clock.sleep(pause, options.signal)
    }
    return { kind: 'ended', succeeded, reason }
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error
    return { kind: 'failed', reason: error.message }
  }
}
