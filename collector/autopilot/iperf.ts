import { Outcome, outcomeToJSON } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState, runStateToJSON, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError, OperatingError } from '../../lib/errors.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { directedKey } from '../inventory/keys.ts'
import { createIperfTest, createRunSpec } from '../plan/effective-run-spec.ts'
import type { RunSpec } from '../plan/run-spec.ts'
import { float } from './python.ts'
import type { Query, Selection } from './query.ts'
import type { GatewayDeps } from './request.ts'

/** Duration of a test, as in Autopilot. */
const TEST_SECONDS = 5
const COLUMN_WIDTH = 40
/** The ports of earlier servers are not free at once, so the range has more ports than one test needs. */
const EXTRA_PORTS = 32

const log = (level: 'INFO' | 'WARNING' | 'ERROR', text: string): string =>
  `[NETWORK] - [IPERF] - [${level}] : ${text}\n`

/** Autopilot's tables contain the names of pods. Here an agent takes the place of a pod. */
const labelOf = (node: string): string => `agent_on_${node}`

/** Gbit/s with two decimals, as in Autopilot. */
const gigabits = (bitsPerSecond: number): number => Number((bitsPerSecond / 1e9).toFixed(2))

const throughputOf = ({ outcome, values }: PairResult): number | undefined =>
  outcome === Outcome.OUTCOME_MEASURED && values?.kind === 'iperf' ? values.bitsPerSecond : undefined

/** The text of a cell: the throughput, or the outcome of a pair that was not measured. */
const cellOf = (result: PairResult | undefined): string => {
  if (!result) return 'N/A'
  const bitsPerSecond = throughputOf(result)
  if (bitsPerSecond !== undefined) return float(gigabits(bitsPerSecond))
  return outcomeToJSON(result.outcome).replace('OUTCOME_', '').toLowerCase()
}

/** Autopilot's table: sources in the rows, destinations in the columns. */
const tableOf = (title: string, results: readonly PairResult[]): string => {
  const cells = new Map<string, PairResult>()
  const names = new Set<string>()
  for (const result of results) {
    const [source, destination] = [result.source.node, result.destination.node]
    cells.set(directedKey(source, destination), result)
    names.add(source).add(destination)
  }
  const nodes = [...names].sort()
  const row = (first: string, rest: readonly string[]) =>
    `${[first, ...rest].map((text) => text.padEnd(COLUMN_WIDTH)).join('')}\n`
  return [
    `Network Throughput ${title}:\n`,
    row('src/dst', nodes.map(labelOf)),
    ...nodes.map((source) =>
      row(
        labelOf(source),
        nodes.map((destination) => cellOf(cells.get(directedKey(source, destination)))),
      ),
    ),
    '\n',
  ].join('')
}

type Statistics = { minimum: number; maximum: number; mean: number }

const statisticsOf = (values: readonly number[]): Statistics | undefined =>
  values.length === 0
    ? undefined
    : {
        minimum: Math.min(...values),
        maximum: Math.max(...values),
        mean: values.reduce((a, b) => a + b, 0) / values.length,
      }

/** The four figures of the seed, in Gbit/s with two decimals. */
const figuresOf = ({ minimum, maximum, mean }: Statistics, aggregate: number): string =>
  Object.entries({ minimum, maximum, mean, aggregate })
    .map(([name, value]) => `${name} ${(value / 1e9).toFixed(2)}`)
    .join(', ')

const measuredOf = (results: readonly PairResult[]): number[] =>
  results.map(throughputOf).filter((value) => value !== undefined)

const averageOf = (results: readonly PairResult[]): string => {
  const statistics = statisticsOf(measuredOf(results))
  return statistics ? (statistics.mean / 1e9).toFixed(2) : 'N/A'
}

/** The figures of an interface over its pairs. The aggregate is their sum. */
const overPairs = (label: string, results: readonly PairResult[]): string => {
  const values = measuredOf(results)
  const statistics = statisticsOf(values)
  const sum = values.reduce((a, b) => a + b, 0)
  return `${label} Bandwidth Gb/s: ${statistics ? figuresOf(statistics, sum) : 'N/A'}\n`
}

/**
 * One line for a pair that has ended: minimum, maximum and mean over the intervals of the test, and the aggregate of all
 * streams over the whole test; or the outcome of a pair that was not measured.
 */
export const pairLine = (result: PairResult): string => {
  const { source, destination, samples, reason } = result
  const pair = `${labelOf(source.node)} -> ${labelOf(destination.node)} (${source.interface})`
  const aggregate = throughputOf(result)
  if (aggregate === undefined) return `${pair}: ${cellOf(result)}${reason && `: ${reason}`}`
  const intervals = samples.filter(({ omitted }) => !omitted).map(({ bitsPerSecond }) => bitsPerSecond)
  const statistics = statisticsOf(intervals.length > 0 ? intervals : [aggregate])!
  return `${pair} Gb/s: ${figuresOf(statistics, aggregate)}`
}

/** Autopilot's report: a table for each interface, the averages, then all figures of each interface. */
export const reportOf = (interfaces: readonly string[], results: readonly PairResult[]): string => {
  const byInterface = interfaces.map((name) => results.filter(({ source }) => source.interface === name))
  return [
    ...byInterface.map((each, index) => tableOf(`net1-${index}`, each)),
    'Overall Network Interface Average Bandwidth:\n',
    ...byInterface.map((each, index) => `net1-${index} Average Bandwidth Gb/s: ${averageOf(each)}\n`),
    ...byInterface.map((each, index) => overPairs(`net1-${index}`, each)),
  ].join('')
}

const specOf = (query: Query, { nodes, isPart }: Selection): RunSpec => {
  const pclients = query.integer('pclients', 8, 1, 128)
  const startport = query.integer('startport', 5200, 1, 65535)
  const last = Math.min(65535, startport + pclients - 1 + EXTRA_PORTS)
  return createRunSpec({
    label: 'autopilot iperf',
    topology: Topology.fromPartial({
      kind: TopologyKind.TOPOLOGY_KIND_MESH,
      nodes: isPart ? nodes.map(({ name }) => name) : [],
    }),
    test: createIperfTest({
      durationSeconds: TEST_SECONDS,
      intervalSeconds: 1,
      parallelCount: pclients,
      zerocopy: true,
      // By default the agents use their own range. Autopilot's default port is outside of it.
      ports: query.has('startport') ? { first: startport, last } : undefined,
    }),
  })
}

async function* measure(deps: GatewayDeps, spec: RunSpec, signal: AbortSignal): AsyncGenerator<string> {
  let run = await deps.runs.create(spec)
  try {
    yield log('INFO', `Run ${run.id}: ${run.plan.pairCount} pairs in ${run.plan.roundCount} rounds`)
    for await (const update of deps.runs.watch(run.id, signal)) {
      run = update.run
      for (const result of update.results) yield log('INFO', pairLine(result))
    }
  } finally {
    // The client has disconnected: nothing will read the result.
    if (signal.aborted && deps.runs.get(run.id).state < RunState.RUN_STATE_COMPLETED) deps.runs.cancel(run.id)
  }
  if (run.state !== RunState.RUN_STATE_COMPLETED) {
    const state = runStateToJSON(run.state).replace('RUN_STATE_', '').toLowerCase()
    yield log('ERROR', `Run ${run.id} is ${state}: ${run.stateReason}. ABORT`)
  }
  const results = deps.results(run.id)
  const interfaces = [...new Set(results.map(({ source }) => source.interface))].sort()
  for (const [index, name] of interfaces.entries())
    yield log('INFO', `Running Interface net1-${index} (${name})`)
  for (const { message } of run.verdicts) yield log('WARNING', message.split('\n')[0] ?? '')
  yield reportOf(interfaces, results)
}

/**
 * Measures every pair of nodes on every interface, as Autopilot's ring workload does, with a run of the collector.
 * Reads the parameters at once. The run starts when the generator is iterated.
 */
export const runIperf = (
  deps: GatewayDeps,
  query: Query,
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<string> => {
  const workload = query.text('workload', 'ring')
  const spec = specOf(query, selection)
  return (async function* () {
    if (workload.toUpperCase() !== 'RING') {
      yield log('ERROR', 'Unsupported Workload Attempted')
      return
    }
    try {
      for await (const text of measure(deps, spec, signal)) {
        for (const line of text.split('\n')) if (line !== '') deps.logger.info(line)
        yield text
      }
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      yield log('ERROR', `${describeCallError(error)}. ABORT`)
    }
  })()
}
