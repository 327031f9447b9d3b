import { metrics, trace } from '@opentelemetry/api'
import { afterEach, describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import {
  type Run,
  RunServiceDefinition,
  type RunSpec,
  RunState,
  TopologyKind,
} from '#proto/meshgauge/collector/v1/run.ts'
import { createCollector } from '../../collector/collector.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { healthyNetwork, type SimulatedNetwork, startSimulatedAgents } from './agents.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A real collector over real gRPC, with agents whose network is made up. */
const startSimulation = async (count: number, network: SimulatedNetwork) => {
  const agents = await startSimulatedAgents(count, network)
  closing.push(agents.close)
  const collector = await createCollector(
    {
      clock: systemClock,
      logger: createLogger('simulation', 'error'),
      tracer: trace.getTracer('simulation'),
      meter: metrics.getMeter('simulation'),
    },
    {
      listen: '127.0.0.1:0',
      http: '127.0.0.1:0',
      store: ':memory:',
      security: {},
      nodes: agents.inventory,
      logLevel: 'error',
      version: 'test',
    },
  )
  closing.push(collector.close)
  const channel = openChannel(`127.0.0.1:${collector.server.port}`, {})
  closing.push(() => channel.close())
  const runs = createServiceClient(RunServiceDefinition, channel)
  const results = createServiceClient(ResultServiceDefinition, channel)
  return {
    async run(spec: Partial<RunSpec>): Promise<Run> {
      const { run } = await runs.createRun({ spec })
      let last = run!
      for await (const step of runs.watchRun({ id: run!.id }, { deadline: 60_000 })) last = step.run!
      return last
    },
    async outcomes(run: Run) {
      const counts = new Map<Outcome, number>()
      for (let pageToken = ''; ; ) {
        const page = await results.listResults({ run: run.id, pageSize: 5000, pageToken })
        for (const { outcome } of page.results) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        if (page.nextPageToken === '') return Object.fromEntries(counts)
        pageToken = page.nextPageToken
      }
    },
  }
}

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
const iperf = { $case: 'iperf' as const, value: { engine: '', options: undefined, ports: undefined } }
const ping = (count: number) => ({
  $case: 'ping' as const,
  value: { engine: '', count, interval: toDuration(0.01), timeout: undefined, dontFragment: false },
})

describe('a simulated fleet', () => {
  test('32 nodes, 992 pairs: all measured, one result each, nobody blamed', async () => {
    const { run, outcomes } = await startSimulation(32, healthyNetwork)
    const done = await run({ topology: mesh, test: iperf, interfaces: ['net0'] })
    expect(done.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect(done.plan).toMatchObject({ pairCount: 992, roundCount: 31, lowerBound: 31, certified: true })
    expect(done.progress).toMatchObject({ doneCount: 992, measuredCount: 992 })
    expect(await outcomes(done)).toEqual({ [Outcome.OUTCOME_MEASURED]: 992 })
    expect(done.verdicts).toEqual([])
  })

  test('a slow sender, a slow receiver and a lossy node are named, each on its own interface, and nobody else', async () => {
    const { run } = await startSimulation(24, {
      sends: (node, name) => (node === 3 && name === 'net1' ? 4e9 : 10e9),
      receives: (node, name) => (node === 17 && name === 'net0' ? 5e9 : 10e9),
      loses: (source, destination, name) => (name === 'net0' && [source, destination].includes(8) ? 0.2 : 0),
    })
    const throughput = await run({ topology: mesh, test: iperf })
    const blamed = throughput.verdicts.map(
      ({ node, interface: name, direction }) => `${node} ${name} ${direction}`,
    )
    expect(blamed.sort()).toEqual(['s17 net0 2', 's3 net1 1'])
    const loss = await run({ topology: mesh, test: ping(50) })
    expect(loss.verdicts.map(({ node, interface: name }) => `${node} ${name}`)).toEqual(['s8 net0'])
  })

  test('a rack uplink takes no more flows than its cap', async () => {
    const { run } = await startSimulation(24, healthyNetwork)
    const done = await run({
      topology: mesh,
      test: iperf,
      interfaces: ['net0'],
      caps: { perNodeCount: 0, perUplinkCount: 4, totalCount: 0, exclusiveNodes: false },
    })
    expect(done.plan!.bottleneck).toMatch(/rack/)
    expect(done.plan!.ratio).toBeGreaterThanOrEqual(0.95)
    expect(done.progress!.measuredCount).toBe(24 * 23)
  })
})
