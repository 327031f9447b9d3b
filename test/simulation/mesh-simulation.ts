import { metrics, trace } from '@opentelemetry/api'
import { type MeshEvent, MeshServiceDefinition, MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'
import { createCollector } from '../../collector/collector.ts'
import type { CollectorOptions } from '../../collector/options.ts'
import { STORE_LIMITS } from '../../collector/store/limits.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { createLogger } from '../../lib/logging.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { healthyNetwork, roundTrip, startSimulatedAgents } from './agents.ts'
import { createFastClock } from './fast-clock.ts'

/** A fault of the network, looked at for each probe; undefined when it says nothing of this one. */
export type Fault = (
  source: number,
  destination: number,
  name: string,
  atSeconds: number,
) => 'lost' | number | undefined

/** A real collector over real gRPC with a mesh on net0, in a time that passes faster than ours. */
export const startMeshSimulation = async (
  count: number,
  options: { store?: string; factor?: number; startMs?: number; spec?: Partial<MeshSpec> } = {},
) => {
  const clock = createFastClock(options.factor ?? 4, options.startMs)
  let fault: Fault = () => undefined
  const network = {
    ...healthyNetwork,
    probes: (source: number, destination: number, name: string, atSeconds: number) => {
      const found = fault(source, destination, name, atSeconds)
      if (found === 'lost') return undefined
      return found ?? roundTrip(source, destination)
    },
  }
  const agents = await startSimulatedAgents(count, network, { clock })
  const settings: CollectorOptions = {
    listen: '127.0.0.1:0',
    http: '127.0.0.1:0',
    store: options.store ?? ':memory:',
    storage: STORE_LIMITS,
    security: {},
    nodes: agents.inventory,
    checks: [],
    schedules: [],
    profiles: [],
    autopilot: undefined,
    logLevel: 'fatal',
  }
  const deps = {
    clock,
    logger: createLogger('simulation', 'fatal'),
    tracer: trace.getTracer('simulation'),
    meter: metrics.getMeter('simulation'),
    readOptions: async () => settings,
  }
  // A probe a second, for the sake of this machine, whatever the number of peers.
  const interval = { seconds: 1, nanos: 0 }
  const spec = MeshSpec.fromPartial({ interfaces: ['net0'], interval, ...options.spec })
  const events: MeshEvent[] = []
  const start = async () => {
    const collector = await createCollector(deps, { ...settings, version: 'test' })
    collector.meshes.set('always', spec)
    const channel = openChannel(`127.0.0.1:${collector.server.port}`, {})
    const client = createServiceClient(MeshServiceDefinition, channel)
    const leave = new AbortController()
    const watching = (async () => {
      for await (const { event } of client.watchMesh({}, { signal: leave.signal, deadline: 600_000 })) {
        if (event) events.push(event)
      }
    })().catch(() => undefined)
    return {
      collector,
      client,
      close: async () => {
        leave.abort()
        await watching
        channel.close()
        await collector.close()
      },
    }
  }
  let current = await start()
  const until = async (
    what: string,
    holds: () => Promise<boolean> | boolean,
    seconds = 120,
  ): Promise<void> => {
    const end = clock.monotonicSeconds() + seconds
    while (!(await holds())) {
      if (clock.monotonicSeconds() > end) throw new Error(`not within ${seconds} s: ${what}`)
      await clock.sleep(0.5)
    }
  }
  return {
    clock,
    agents: agents.agents,
    /** Events as a watcher got them. */
    events,
    client: () => current.client,
    mesh: async () => (await current.client.getMesh({})).meshes[0]!,
    verdicts: async () => (await current.client.getMesh({})).verdicts,
    collector: () => current.collector,
    setFault: (next: Fault) => {
      fault = next
    },
    /** Waits in the simulation's time; throws when it takes far too long. */
    until,
    async metrics(): Promise<string> {
      const response = await fetch(`http://127.0.0.1:${current.collector.http.port}/metrics`)
      return response.text()
    },
    stopCollector: () => current.close(),
    startCollector: async () => {
      current = await start()
    },
    close: async () => {
      await current.close()
      await agents.close()
    },
  }
}

export type MeshSimulation = Awaited<ReturnType<typeof startMeshSimulation>>

export const nowSeconds = ({ clock }: MeshSimulation): number => clock.now().getTime() / 1000

/** From the fault to the moment that the collector saw it, in seconds. */
export const delayOf = (event: MeshEvent, sinceSeconds: number): number =>
  fromTimestamp(event.seenTime)!.getTime() / 1000 - sinceSeconds
