import { Outcome, outcomeToJSON } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { RunSpec, RunState, runStateToJSON, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { describeCallError, OperatingError } from '../../lib/errors.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { float } from './python.ts'
import type { Query, Selection } from './query.ts'
import type { GatewayDeps } from './request.ts'

/** As long as the old clients ran. */
const SECONDS = 5
const COLUMN = 40
/** Servers of the runs before rest on their ports, so a range has some more than one test needs. */
const SPARE_PORTS = 32

const log = (level: 'INFO' | 'WARNING' | 'ERROR', text: string): string =>
  `[NETWORK] - [IPERF] - [${level}] : ${text}\n`

/** The old tables name pods; the agent stands in for the pod. */
const labelOf = (node: string): string => `agent_on_${node}`

/** Gbit/s with two decimals, as the old clients rounded. */
const gigabits = (bitsPerSecond: number): number => Number((bitsPerSecond / 1e9).toFixed(2))

const throughputOf = ({ outcome, values }: PairResult): number | undefined =>
  outcome === Outcome.OUTCOME_MEASURED && values?.$case === 'iperf' ? values.value.bitsPerSecond : undefined

/** What a cell says: a figure, or what became of the pair; never a 0.0 that nobody measured. */
const cellOf = (result: PairResult | undefined): string => {
  if (!result) return 'N/A'
  const bitsPerSecond = throughputOf(result)
  if (bitsPerSecond !== undefined) return float(gigabits(bitsPerSecond))
  return outcomeToJSON(result.outcome).replace('OUTCOME_', '').toLowerCase()
}

/** The old table: who sends in the rows, who receives in the columns. */
const tableOf = (title: string, results: readonly PairResult[]): string => {
  const cells = new Map<string, PairResult>()
  const names = new Set<string>()
  for (const result of results) {
    const [source, destination] = [result.source?.node ?? '', result.destination?.node ?? '']
    cells.set(`${source}\0${destination}`, result)
    names.add(source).add(destination)
  }
  const nodes = [...names].sort()
  const row = (first: string, rest: readonly string[]) =>
    `${[first, ...rest].map((text) => text.padEnd(COLUMN)).join('')}\n`
  return [
    `Network Throughput ${title}:\n`,
    row('src/dst', nodes.map(labelOf)),
    ...nodes.map((source) =>
      row(
        labelOf(source),
        nodes.map((destination) => cellOf(cells.get(`${source}\0${destination}`))),
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

/** The old report of all pairs, an interface after the other. */
export const reportOf = (interfaces: readonly string[], results: readonly PairResult[]): string => {
  const byInterface = interfaces.map((name) => results.filter(({ source }) => source?.interface === name))
  return [
    ...byInterface.map((own, index) => tableOf(`net1-${index}`, own)),
    'Overall Network Interface Average Bandwidth:\n',
    ...byInterface.map((own, index) => `net1-${index} Average Bandwidth Gb/s: ${averageOf(own)}\n`),
  ].join('')
}

const specOf = (query: Query, { nodes, isPart }: Selection): RunSpec => {
  const pclients = query.integer('pclients', 8, 1, 128)
  const startport = query.integer('startport', 5200, 1, 65535)
  const last = Math.min(65535, startport + pclients - 1 + SPARE_PORTS)
  return RunSpec.fromPartial({
    label: 'autopilot iperf',
    topology: {
      kind: TopologyKind.TOPOLOGY_KIND_MESH,
      nodes: isPart ? nodes.map(({ name }) => name) : [],
    },
    test: {
      $case: 'iperf',
      value: {
        options: {
          duration: toDuration(SECONDS),
          interval: toDuration(1),
          parallelCount: pclients,
          zerocopy: true,
        },
        // Without a wish the agents' own range, which the old default is just outside of.
        ...(query.has('startport') ? { ports: { first: startport, last } } : {}),
      },
    },
  })
}

async function* measure(deps: GatewayDeps, spec: RunSpec, signal: AbortSignal): AsyncGenerator<string> {
  let run = await deps.runs.create(spec)
  try {
    yield log(
      'INFO',
      `Run ${run.id}: ${run.plan?.pairCount ?? 0} pairs in ${run.plan?.roundCount ?? 0} rounds`,
    )
    for await (const step of deps.runs.watch(run.id, signal)) run = step.run
  } finally {
    // Whoever asked has gone: nobody is left to read it.
    if (signal.aborted && deps.runs.get(run.id).state < RunState.RUN_STATE_COMPLETED) deps.runs.cancel(run.id)
  }
  if (run.state !== RunState.RUN_STATE_COMPLETED) {
    const state = runStateToJSON(run.state).replace('RUN_STATE_', '').toLowerCase()
    yield log('ERROR', `Run ${run.id} is ${state}: ${run.stateReason}. ABORT`)
  }
  const results = deps.results(run.id)
  const interfaces = [...new Set(results.map(({ source }) => source?.interface ?? ''))].sort()
  for (const [index, name] of interfaces.entries())
    yield log('INFO', `Running Interface net1-${index} (${name})`)
  for (const { message } of run.verdicts) yield log('WARNING', message.split('\n')[0] ?? '')
  yield reportOf(interfaces, results)
}

/**
 * Measures every pair of nodes on every interface, as the old ring of all shifts does, with the collector's own runs.
 * Reads its parameters at once; what it measures it measures when it is iterated.
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
