import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { type CheckRecord, Severity } from '#proto/meshgauge/collector/v1/health.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../../lib/protobuf-time.ts'
import { median } from '../../../lib/statistics.ts'
import { isEvidence, isFailed, isMeasured } from '../../dispatch/outcomes.ts'
import type { PairResult } from '../../dispatch/pair-result.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { FleetNode, NodeState } from '../../inventory/node.ts'
import type { Run } from '../../store/run.ts'
import type { Metrics } from '../catalogue/metrics.ts'
import {
  type InterfaceDirection,
  interfaceDirectionsOf,
  lossOf,
  throughputOf,
} from './interface-directions.ts'
import { outcomeLabel, runLabels, runStateLabel } from './label-values.ts'
import { createPairGauges, PAIR_BUDGET } from './pair-gauges.ts'
import { createRackThroughput } from './rack-gauges.ts'
import { mergeRoundTrips } from './round-trips.ts'
import { showVerdicts } from './verdict-gauges.ts'

/** Updates the metrics from runs, results, checks and the inventory. */
export type Observer = {
  /** Counts new results of a run, each once, and sets the gauges of their pairs. */
  observeResults(run: Run, results: readonly PairResult[]): void
  /** Counts an ended run, once, and sets the gauges of its nodes, worst pairs and verdicts. `results` has all of its results. */
  observeRun(run: Run, results: readonly PairResult[]): void
  /** Sets the same gauges for a run from the store after a restart, without counting it. Called for the oldest run first. */
  restoreRun(run: Run, results: readonly PairResult[]): void
  /** Sets the last status of a check. */
  observeCheck(node: string, result: CheckResult): void
  /** Sets the standing severity and the time of a check. */
  observeRecord(node: string, record: CheckRecord): void
  /** Counts a start of a check that was dropped because the check was already running. */
  observeOverlap(node: string, check: string): void
  /** Sets the state of all nodes of the inventory, and removes the series of other nodes. */
  observeNodes(nodes: readonly FleetNode[]): void
}

const WORST_PAIRS = 10

const CHECK_VALUES = new Map<CheckStatus, number>([
  [CheckStatus.CHECK_STATUS_PASS, 0],
  [CheckStatus.CHECK_STATUS_WARN, 1],
  [CheckStatus.CHECK_STATUS_FAIL, 2],
  [CheckStatus.CHECK_STATUS_ERROR, 3],
])

const showThroughput = (
  metrics: Metrics,
  { node, interface: name, direction, results }: InterfaceDirection,
): void => {
  const labels = { node, interface: name, direction }
  const values = results.map(throughputOf).filter((value) => value !== undefined)
  const stats = { min: values.length > 0 ? Math.min(...values) : undefined, median: median(values) }
  for (const [stat, value] of Object.entries(stats)) {
    // Without a measurement there is no value: neither the previous one nor 0.
    if (value === undefined) metrics.nodeThroughput.remove({ ...labels, stat })
    else metrics.nodeThroughput.set({ ...labels, stat }, value)
  }
}

const showPing = (
  metrics: Metrics,
  { node, interface: name, direction, results }: InterfaceDirection,
): void => {
  const loss = lossOf(results)
  if (loss === undefined) metrics.nodePingLoss.remove({ node, interface: name, direction })
  else metrics.nodePingLoss.set({ node, interface: name, direction }, loss)
  // A round trip covers both directions, so it is shown once: for the node that probed.
  if (direction === 'rx') return
  const statistics = results
    .filter(isMeasured)
    .flatMap(({ values }) => (values?.kind === 'ping' ? [values] : []))
  const times = mergeRoundTrips(statistics)
  for (const stat of ['p50', 'p99'] as const) {
    const labels = { node, interface: name, stat }
    if (times) metrics.nodeRtt.set(labels, times[stat])
    else metrics.nodeRtt.remove(labels)
  }
}

/** Sets the failed pairs of each interface over both directions, and the time of each node's last measurement. */
const showNodes = (metrics: Metrics, test: string, directions: readonly InterfaceDirection[]): void => {
  const failed = new Map<string, { node: string; interface: string; count: number }>()
  const latest = new Map<string, number>()
  for (const { node, interface: name, results } of directions) {
    const key = interfaceKey({ node, interface: name })
    const own = failed.get(key) ?? { node, interface: name, count: 0 }
    failed.set(key, own)
    own.count += results.filter(isFailed).length
    for (const { endTime } of results.filter(isMeasured)) {
      latest.set(node, Math.max(latest.get(node) ?? 0, fromTimestamp(endTime)?.getTime() ?? 0))
    }
  }
  for (const { node, interface: name, count } of failed.values())
    metrics.nodeFailedPairs.set({ node, interface: name, test }, count)
  for (const [node, at] of latest) if (at > 0) metrics.nodeMeasuredTimestamp.set({ node, test }, at / 1000)
}

const showDirection = (metrics: Metrics, test: string, direction: InterfaceDirection): void => {
  if (test === 'iperf') showThroughput(metrics, direction)
  if (test === 'ping') showPing(metrics, direction)
}

type Ranked = { result: PairResult; value: number }

/** Returns the worst results, worst first, without sorting all. */
const worstOf = (
  results: readonly PairResult[],
  measureOf: (result: PairResult) => number | undefined,
  isWorse: (a: number, b: number) => boolean,
): Ranked[] => {
  const worst: Ranked[] = []
  for (const result of results) {
    const value = measureOf(result)
    if (value === undefined) continue
    if (worst.length === WORST_PAIRS && !isWorse(value, worst.at(-1)!.value)) continue
    const place = worst.findIndex((other) => isWorse(value, other.value))
    worst.splice(place < 0 ? worst.length : place, 0, { result, value })
    worst.length = Math.min(worst.length, WORST_PAIRS)
  }
  return worst
}

/** Sets the worst pairs, in place of those of the previous run. */
const showRanked = (gauge: Metrics['worstThroughput' | 'worstLoss'], ranked: readonly Ranked[]): void => {
  gauge.removeWhere(() => true)
  for (const [index, { result, value }] of ranked.entries()) {
    const { source, destination } = result
    const pair = { source: source.node, destination: destination.node, interface: source.interface }
    gauge.set({ rank: String(index + 1), ...pair }, value)
  }
}

const showWorst = (metrics: Metrics, test: string, results: readonly PairResult[]): void => {
  if (test === 'iperf') {
    showRanked(
      metrics.worstThroughput,
      worstOf(results, throughputOf, (a, b) => a < b),
    )
  }
  if (test === 'ping') {
    // Pairs without loss are left out.
    const someLoss = (result: PairResult) => lossOf([result]) || undefined
    showRanked(
      metrics.worstLoss,
      worstOf(results, someLoss, (a, b) => a > b),
    )
  }
}

/**
 * Sets the missed pairs of each expectation of a schedule's run. A run that was started by hand reports them to its user:
 * no later run would reset a metric, and an alert on it would never end.
 */
const showExpectations = (metrics: Metrics, run: Run): void => {
  const { schedule } = run.spec
  if (run.state !== RunState.RUN_STATE_COMPLETED || schedule === '') return
  const own = { schedule, ...runLabels(run) }
  metrics.expectationMissed.removeWhere(
    (labels) => labels.schedule === schedule && labels.test === own.test && labels.topology === own.topology,
  )
  for (const { expectation, passed, failedCount } of run.summary?.expectations ?? []) {
    const labels = { ...own, expectation: expectation?.name ?? '' }
    metrics.expectationMissed.set(labels, passed ? 0 : Math.max(1, failedCount))
  }
}

const showRun = (metrics: Metrics, run: Run, results: readonly PairResult[]): void => {
  const { test } = runLabels(run)
  // What a run could not try keeps the value of the last run that did.
  const tried = results.filter(isEvidence)
  const directions = interfaceDirectionsOf(tried)
  for (const direction of directions) showDirection(metrics, test, direction)
  showNodes(metrics, test, directions)
  if (tried.length === 0) return
  showWorst(metrics, test, tried)
  showVerdicts(metrics, run, results)
  showExpectations(metrics, run)
}

/**
 * Whether the wall time of a run shows how well it used its time: tests of a fixed duration on the whole fleet, each pair
 * measured once. Pings all run at the same time, a part of the fleet has other rounds, and a pair that fails ends early.
 */
const isComparable = ({ state, spec }: Run, results: readonly PairResult[]): boolean =>
  state === RunState.RUN_STATE_COMPLETED &&
  spec.test.kind === 'iperf' &&
  spec.test.durationSeconds !== undefined &&
  selectsWholeFleet(spec.topology) &&
  results.every((result) => isMeasured(result) && result.attemptCount <= 1)

const selectsWholeFleet = ({ nodes, clients, servers, pairs }: Run['spec']['topology']): boolean =>
  [nodes, clients, servers, pairs].every((list) => list.length === 0)

const countRun = (metrics: Metrics, run: Run, results: readonly PairResult[]): void => {
  const { test, topology } = runLabels(run)
  metrics.runs.add({ test, topology, state: runStateLabel(run.state) }, 1, run.traceId)
  const start = fromTimestamp(run.startTime)
  const end = fromTimestamp(run.endTime)
  if (!start || !end) return
  const seconds = (end.getTime() - start.getTime()) / 1000
  metrics.runDuration.observe({ test }, seconds, run.traceId)
  const planned = fromDuration(run.plan.duration)
  if (planned === undefined || seconds <= 0 || !isComparable(run, results)) return
  metrics.runEfficiency.set({ test, topology }, planned / seconds)
}

const showRecord = (metrics: Metrics, node: string, { result, severity, time }: CheckRecord): void => {
  if (!result) return
  const labels = { node, check: result.check }
  if (severity === Severity.SEVERITY_UNSPECIFIED) metrics.checkSeverity.remove(labels)
  else metrics.checkSeverity.set(labels, severity - Severity.SEVERITY_PASS)
  metrics.checkTimestamp.set(labels, (fromTimestamp(time)?.getTime() ?? 0) / 1000)
}

export const createObserver = (
  { metrics }: { metrics: Metrics },
  { pairBudget = PAIR_BUDGET }: { pairBudget?: number } = {},
): Observer => {
  const pairs = createPairGauges(metrics, pairBudget)
  const racks = createRackThroughput(metrics)
  return {
    observeResults: (run, results) => {
      const { test } = runLabels(run)
      for (const { outcome } of results) {
        metrics.pairs.add({ test, outcome: outcomeLabel(outcome) }, 1, run.traceId)
      }
      pairs.show(run, results)
    },
    observeRun: (run, results) => {
      countRun(metrics, run, results)
      showRun(metrics, run, results)
      racks.show(results)
    },
    restoreRun: (run, results) => {
      pairs.show(run, results)
      showRun(metrics, run, results)
      racks.show(results)
    },
    observeCheck: (node, result) => {
      const value = CHECK_VALUES.get(result.status)
      if (value === undefined) metrics.checkStatus.remove({ node, check: result.check })
      else metrics.checkStatus.set({ node, check: result.check }, value)
    },
    observeRecord: (node, record) => showRecord(metrics, node, record),
    observeOverlap: (node, check) => metrics.checkOverlaps.add({ node, check }),
    observeNodes: (nodes) => {
      const names = new Set(nodes.map(({ name }) => name))
      metrics.retainNodes(names)
      pairs.retainNodes(names)
      racks.setNodes(nodes)
      const counts: Record<NodeState, number> = { ready: 0, silent: 0, unspecified: 0 }
      for (const { name, state } of nodes) {
        counts[state]++
        if (state === 'unspecified') metrics.nodeUp.remove({ node: name })
        else metrics.nodeUp.set({ node: name }, state === 'ready' ? 1 : 0)
      }
      for (const [state, count] of Object.entries(counts)) metrics.nodes.set({ state }, count)
    },
  }
}
