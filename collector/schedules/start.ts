import type { Profile } from '#proto/meshgauge/collector/v1/profile.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, type RunSpec, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { ScheduleSpec } from '#proto/meshgauge/collector/v1/schedule.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { formatBytes, formatDuration } from '../../lib/units.ts'
import type { Fleet } from '../inventory/fleet.ts'
import { isBidirectional } from '../plan/caps.ts'
import { bytesOf, PAIR_OVERHEAD_SECONDS, testSeconds } from '../plan/estimate.ts'
import type { PlannedRun } from '../plan/plan-run.ts'
import { reviewRun } from '../runs/prepare.ts'
import type { Runs } from '../runs/runs.ts'
import { type Cost, leftOf } from './budget.ts'
import { measurable, runsOf, scopeOf, withinBudget } from './coverage.ts'
import { pickDue, type YieldIfDue } from './due.ts'
import type { Ledger } from './ledger.ts'
import { resolveProfile } from './review.ts'

export type StartDeps = {
  clock: Clock
  runs: Pick<Runs, 'plan' | 'create' | 'watch'>
  fleet: Pick<Fleet, 'nodes' | 'refresh'>
  ledger: Ledger
  profiles: ReadonlyMap<string, Profile>
  breathe: YieldIfDue
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
  /** Whether the schedule was paused meanwhile: then no further run begins. */
  isHalted(): boolean
  /** A run has ended and cost so much: bytes, and what the busiest interface of all its runs is busier for it. */
  onSpent(cost: Cost): void
}

/** Why nothing of a start came to be, or how its last run ended. */
export type StartEnd =
  | { kind: 'over_budget' | 'nothing_due'; reason: string }
  | { kind: 'failed'; reason: string; error: OperatingError }
  | { kind: 'ended'; succeeded: boolean; reason: string }

/** One run of a start, and the pause after it in seconds. */
type Step = { spec: RunSpec; pause: number }

const secondsOf = (spec: RunSpec): number => testSeconds(spec) + PAIR_OVERHEAD_SECONDS

type Place = { node: string; interface: string } | undefined

/** Adds up what pairs of several runs cost, each interface by itself. Pings share theirs: they make none busy. */
const createMeter = () => {
  let cost: Cost = { bytes: 0, busySeconds: 0 }
  let taken = cost
  const busy = new Map<string, number>()
  return {
    addBytes(bytes: number): void {
      cost = { ...cost, bytes: cost.bytes + bytes }
    },
    /** A test that goes both ways keeps each of its interfaces busy both ways. */
    addBusy(spec: RunSpec, way: 'out' | 'in', place: Place, seconds: number): void {
      if (spec.test?.$case === 'ping' || seconds === 0) return
      const key = `${isBidirectional(spec) ? '' : way} ${place?.node} ${place?.interface}`
      const sum = (busy.get(key) ?? 0) + seconds
      busy.set(key, sum)
      cost = { ...cost, busySeconds: Math.max(cost.busySeconds, sum) }
    },
    cost: (): Cost => cost,
    /** What was added since this was last asked. */
    take(): Cost {
      const since = {
        bytes: cost.bytes - taken.bytes,
        busySeconds: cost.busySeconds - taken.busySeconds,
      }
      taken = cost
      return since
    },
  }
}

type Meter = ReturnType<typeof createMeter>

/** Adds what a whole run is expected to cost. */
const meterPlan = (meter: Meter, { spec, endpoints, sources, destinations, message }: PlannedRun): void => {
  meter.addBytes(message.bytes ?? 0)
  const seconds = secondsOf(spec)
  const [out, into] = [new Uint32Array(endpoints.length), new Uint32Array(endpoints.length)]
  for (const end of sources) out[end]!++
  for (const end of destinations) into[end]!++
  for (const [index, end] of endpoints.entries()) {
    meter.addBusy(spec, 'out', end, out[index]! * seconds)
    meter.addBusy(spec, 'in', end, into[index]! * seconds)
  }
}

/** Adds what pairs really cost. */
const meterResults = (meter: Meter, spec: RunSpec, results: readonly PairResult[]): void => {
  for (const { values, source, destination, startTime, endTime } of results) {
    if (values?.$case === 'iperf') meter.addBytes(values.value.sentBytes ?? values.value.receivedBytes ?? 0)
    if (!startTime || !endTime) continue
    const milliseconds = fromTimestamp(endTime).getTime() - fromTimestamp(startTime).getTime()
    const seconds = Math.max(0, milliseconds / 1000)
    meter.addBusy(spec, 'out', source, seconds)
    meter.addBusy(spec, 'in', destination, seconds)
  }
}

/** The same random shifts each time would leave all other pairs unmeasured for ever. */
const reseeded = (spec: RunSpec, now: Date): RunSpec =>
  spec.topology?.kind === TopologyKind.TOPOLOGY_KIND_SHIFTS && spec.topology.seed === 0
    ? { ...spec, topology: { ...spec.topology, seed: Math.floor(now.getTime() / 1000) >>> 0 } }
    : spec

const eachInterface = (deps: StartDeps, spec: RunSpec): RunSpec[] => {
  const { names, violations } = reviewRun(spec, deps.fleet.nodes())
  throwIfInvalid('the run', violations)
  return names.map((name) => ({ ...spec, interfaces: [name] }))
}

const stepsOf = (deps: StartDeps, spec: ScheduleSpec): Step[] => {
  const { work } = spec
  const base: Step[] =
    work?.$case === 'profile'
      ? resolveProfile(work.value, deps.profiles).steps.map((step) => ({
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
  const meter = createMeter()
  for (const step of steps) meterPlan(meter, await deps.runs.plan(step.spec))
  const reason = exceeds(meter.cost(), leftOf(spec.budget, options.spent))
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
const carryOutRun = async (
  deps: StartDeps,
  spec: RunSpec,
  meter: Meter,
  options: StartOptions,
): Promise<Run> => {
  // Whoever removed the schedule while its pairs were chosen gets no run of it any more.
  options.signal.throwIfAborted()
  let run = await deps.runs.create(spec)
  options.onRun(run)
  try {
    for await (const step of deps.runs.watch(run.id, options.signal)) {
      run = step.run
      meterResults(meter, spec, step.results)
    }
  } finally {
    options.onSpent(meter.take())
  }
  return run
}

/** Its runs one after the other. One that cannot be made, such as on an interface with traffic, holds up no other. */
const carryOutSteps = async (
  deps: StartDeps,
  steps: readonly Step[],
  options: StartOptions,
): Promise<StartEnd> => {
  const meter = createMeter()
  let [runCount, reason] = [0, '']
  let refused: OperatingError | undefined
  for (const [index, { spec, pause }] of steps.entries()) {
    if (options.isHalted()) return { kind: 'ended', succeeded: false, reason: 'it was paused in the middle' }
    try {
      const { id, state, stateReason } = await carryOutRun(deps, spec, meter, options)
      runCount++
      const isStopped = STOPPED.includes(state)
      if (state !== RunState.RUN_STATE_COMPLETED)
        reason = `run ${id} ${isStopped ? 'was stopped' : 'failed'}${stateReason ? `: ${stateReason}` : ''}`
      if (isStopped) break
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      refused = error
      reason = error.message
    }
    if (pause > 0 && index < steps.length - 1) await deps.clock.sleep(pause, options.signal)
  }
  if (runCount === 0 && refused) return { kind: 'failed', reason, error: refused }
  return { kind: 'ended', succeeded: reason === '', reason }
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
    return Array.isArray(steps) ? await carryOutSteps(deps, steps, options) : steps
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error
    return { kind: 'failed', reason: error.message, error }
  }
}
