import { metrics, trace } from '@opentelemetry/api'
import { type PairResult, ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import {
  type Run,
  RunServiceDefinition,
  type RunSpec,
  TopologyKind,
} from '#proto/meshgauge/collector/v1/run.ts'
import { createCollector } from '../../collector/collector.ts'
import type { CollectorOptions } from '../../collector/options.ts'
import { STORE_LIMITS } from '../../collector/store/limits.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { type SimulatedNetwork, startFakeAgents } from './fake-agents.ts'

const mesh = {
  kind: TopologyKind.TOPOLOGY_KIND_MESH,
  nodes: [],
  clients: [],
  servers: [],
  center: '',
  shiftCount: 0,
  seed: 0,
  pairs: [],
}

/** The spec of an iperf mesh on net0. */
export const iperfMesh: Partial<RunSpec> = {
  topology: mesh,
  test: { $case: 'iperf', value: { engine: '', options: undefined, ports: undefined } },
  interfaces: ['net0'],
}

export const pingMesh = (count: number): Partial<RunSpec> => ({
  topology: mesh,
  test: {
    $case: 'ping',
    value: { engine: '', count, interval: toDuration(0.01), timeout: undefined, dontFragment: false },
  },
})

const LONGEST_RUN_MS = 250_000

/** Starts a real collector in this process, with fake agents on a simulated network. */
export const startFakeAgentFleet = async (
  count: number,
  network: SimulatedNetwork,
  { store = ':memory:', testSeconds = 0.02 }: { store?: string; testSeconds?: number } = {},
) => {
  let held: Promise<void> = Promise.resolve()
  const agents = await startFakeAgents(count, network, {
    secondsOf: () => testSeconds,
    released: () => held,
  })
  const options: CollectorOptions = {
    listen: '127.0.0.1:0',
    http: '127.0.0.1:0',
    store,
    storage: STORE_LIMITS,
    security: {},
    nodes: agents.inventory,
    checks: [],
    autopilot: undefined,
    schedules: [],
    profiles: [],
    logLevel: 'fatal',
  }
  const deps = {
    clock: systemClock,
    logger: createLogger('simulation', 'fatal'),
    tracer: trace.getTracer('simulation'),
    meter: metrics.getMeter('simulation'),
    readOptions: async () => options,
  }
  const collector = await createCollector(deps, { ...options, version: 'test' })
  const channel = openChannel(`127.0.0.1:${collector.server.port}`, {})
  const runs = createServiceClient(RunServiceDefinition, channel)
  const results = createServiceClient(ResultServiceDefinition, channel)
  const watched = new Map<string, Set<string>>()
  const nameOf = ({ source, destination }: PairResult) =>
    `${source!.node} ${source!.interface} ${destination!.node}`
  return {
    /** Blocks iperf tests that begin from now on until the returned function is called. */
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    },
    /** Creates a run and watches it until it ends. */
    async run(spec: Partial<RunSpec>): Promise<Run> {
      const { run } = await runs.createRun({ spec })
      const seen = new Set<string>()
      watched.set(run!.id, seen)
      let last = run!
      for await (const step of runs.watchRun({ runId: run!.id }, { deadline: LONGEST_RUN_MS })) {
        for (const result of step.results) seen.add(nameOf(result))
        last = step.run!
      }
      return last
    },
    /** Number of results that the watcher received. */
    watched: (run: Run): number => watched.get(run.id)!.size,
    /** All stored results of a run. */
    async results(run: Run): Promise<PairResult[]> {
      const all: PairResult[] = []
      for (let pageToken = ''; ; ) {
        const page = await results.listResults({ runId: run.id, pageSize: 5000, pageToken })
        all.push(...page.results)
        if (page.nextPageToken === '') return all
        pageToken = page.nextPageToken
      }
    },
    /** The text of /metrics for this Accept header. */
    async metrics(accept = 'text/plain') {
      const response = await fetch(`http://127.0.0.1:${collector.http.port}/metrics`, { headers: { accept } })
      return { type: response.headers.get('content-type'), text: await response.text() }
    },
    /** The collector's own gRPC port. */
    port: collector.server.port,
    async healthz() {
      const response = await fetch(`http://127.0.0.1:${collector.http.port}/healthz`)
      return { status: response.status, body: await response.text() }
    },
    async close() {
      channel.close()
      await collector.close()
      await agents.close()
    },
  }
}

export type FakeAgentFleet = Awaited<ReturnType<typeof startFakeAgentFleet>>
