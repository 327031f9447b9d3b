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

const averageOf = (results: readonly PairResult[]): string => {
  const values = results.map(throughputOf).filter((value) => value !== undefined)
  if (values.length === 0) return 'N/A'
  return (values.reduce((a, b) => a + b, 0) / values.length / 1e9).toFixed(2)
}

/** Autopilot's report: a table for each interface, then the averages. */
export const reportOf = (interfaces: readonly string[], results: readonly PairResult[]): string => {
  const byInterface = interfaces.map((name) => results.filter(({ source }) => source.interface === name))
  return [
    ...byInterface.map((each, index) => tableOf(`net1-${index}`, each)),
    'Overall Network Interface Average Bandwidth:\n',
    ...byInterface.map((each, index) => `net1-${index} Average Bandwidth Gb/s: ${averageOf(each)}\n`),
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
    for await (const update of deps.runs.watch(run.id, signal)) run = update.run
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
      yield* measure(deps, spec, signal)
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
      yield log('ERROR', `${describeCallError(error)}. ABORT`)
    }
  })()
}
