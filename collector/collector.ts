import type { Meter, Tracer } from '@opentelemetry/api'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, serveGrpc } from '../lib/serving.ts'
import { listenAutopilot } from './autopilot/server.ts'
import { createCooperativeYielding } from './cooperative-yielding.ts'
import { createHealth, type Health } from './health/health.ts'
import { connectAgent } from './inventory/agents.ts'
import { createFleet, type Fleet } from './inventory/fleet.ts'
import { createMeshController, type MeshController } from './mesh/mesh-controller.ts'
import { observeHealth, observeMeshes, observeRuns } from './observers.ts'
import type { CollectorOptions } from './options.ts'
import { createProfiles } from './profiles/configured.ts'
import { recover } from './recovery.ts'
import { createReload, type Reload } from './reload.ts'
import { Runs } from './runs/runs.ts'
import { createTrafficInterfaces } from './runs/traffic-interfaces.ts'
import { createLedger } from './schedules/ledger.ts'
import { createMeshCoverage } from './schedules/mesh-coverage.ts'
import { createSchedules } from './schedules/schedules.ts'
import { servicesOf } from './services.ts'
import { createShutdown, type Shutdown } from './shutdown.ts'
import { startMaintenance } from './store/maintenance-loop.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'
import { createMetrics, type Metrics } from './telemetry/catalogue/metrics.ts'
import type { HttpServer } from './telemetry/expose/http-listener.ts'
import { listenHttp } from './telemetry/expose/http-server.ts'
import { observeCalls, registerCollectorGauges } from './telemetry/observe/collector-gauges.ts'
import { measuredStore, observeStoreInfo, watchDamage } from './telemetry/observe/measured-store.ts'
import { registerMeshGauges } from './telemetry/observe/mesh-gauges.ts'
import { createObserver, type Observer } from './telemetry/observe/observer.ts'
import { createScheduleObserver } from './telemetry/observe/schedule-observer.ts'
import { createTrafficGauges } from './telemetry/observe/traffic-gauges.ts'
import { createTraffics } from './traffic/traffics.ts'

/** How long calls in progress may take when the collector stops. */
const CLOSE_GRACE_SECONDS = 3

export type CollectorDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  meter: Meter
  /** Reads the options again from the config. */
  readOptions: () => Promise<CollectorOptions>
}

export type Collector = {
  server: GrpcServer
  http: HttpServer
  reload: Reload
  meshes: MeshController
  /** Interrupts every run, stops what agents do for this collector, and closes every part. */
  close(): Promise<void>
}

type Context = {
  deps: CollectorDeps
  options: CollectorOptions & { version: string }
  metrics: Metrics
  observer: Observer
  shutdown: Shutdown
}

/** The first stages: what is measured, and where it is stored. */
type Base = { store: Store; fleet: Fleet; health: Health }

const openStore = ({ deps, options, metrics, shutdown }: Context): Store => {
  const { clock, logger } = deps
  const onDamaged = watchDamage({ metrics, logger })
  const opened = openSqliteStore(options.store, options.storage, { clock, onDamaged })
  shutdown.add(opened.close)
  const store = measuredStore(opened, { metrics, clock })
  const maintenance = startMaintenance({
    clock,
    logger,
    store,
    observer: {
      observeMaintain: (seconds) => metrics.storeMaintain.observe({}, seconds),
      observeInfo: (info) => observeStoreInfo(metrics, info),
    },
  })
  shutdown.add(maintenance.close)
  return store
}

const openFleet = ({ deps, options, metrics, observer, shutdown }: Context, store: Store): Fleet => {
  const { clock, logger } = deps
  const agentCalls = observeCalls(metrics.grpcClientCalls, metrics.grpcClientOpen)
  const connect = (address: string) => connectAgent(address, options.security, agentCalls)
  const fleet = createFleet({ clock, logger, connect, lastMeasured: store.lastMeasured }, options.nodes)
  shutdown.add(() => fleet.close())
  const onNodes = (nodes: ReturnType<Fleet['nodes']>) => {
    observer.observeNodes(nodes)
    store.setMembers(new Set(nodes.map(({ name }) => name)))
  }
  onNodes(fleet.nodes())
  fleet.onChange(onNodes)
  return fleet
}

const openBase = (context: Context): Base => {
  const { deps, options, metrics, observer, shutdown } = context
  const { clock, logger } = deps
  const store = openStore(context)
  const fleet = openFleet(context, store)
  const healthObserver = observeHealth(metrics, observer, fleet)
  const health = createHealth({ clock, logger, fleet, store, observer: healthObserver }, options.checks)
  shutdown.add(() => health.close())
  recover(store, observer, health, deps)
  return { store, fleet, health }
}

/** Runs, and the always-on work: the ping mesh, schedules and traffic. */
const startWork = (
  { deps, options, metrics, observer, shutdown }: Context,
  { store, fleet, health }: Base,
) => {
  const { clock, logger, tracer } = deps
  const breathe = createCooperativeYielding().yieldIfDue
  const ledger = createLedger({ clock, store, breathe })
  const coverage = createMeshCoverage({ clock, logger, ledger, store })
  shutdown.add(() => coverage.close())
  const runObserver = observeRuns(metrics, observer, health, ledger)
  const trafficInterfaces = createTrafficInterfaces()
  const runs = new Runs({
    clock,
    logger,
    tracer,
    store,
    observer: runObserver,
    fleet,
    traffic: trafficInterfaces,
  })
  shutdown.add(() => runs.close())
  registerCollectorGauges(metrics, { fleet, runs })
  const meshes = createMeshController({
    clock,
    logger,
    random: Math.random,
    fleet,
    store,
    heldByRuns: () => runs.exclusiveInterfaces(),
    observer: observeMeshes(metrics, coverage),
  })
  shutdown.add(() => meshes.close())
  registerMeshGauges({ metrics, clock }, meshes)
  const profiles = createProfiles(options.profiles)
  const schedules = createSchedules(
    {
      clock,
      logger,
      fleet,
      runs,
      ledger,
      profiles: profiles.byName,
      breathe: createCooperativeYielding().yieldIfDue,
      documents: store,
      meshes,
      observer: createScheduleObserver(metrics),
    },
    options.schedules,
  )
  shutdown.add(() => schedules.close())
  const traffics = createTraffics({
    clock,
    logger,
    random: Math.random,
    fleet,
    runs,
    interfaces: trafficInterfaces,
    observe: createTrafficGauges(metrics),
  })
  shutdown.add(() => traffics.close())
  return { runs, meshes, profiles, schedules, traffics }
}

/** Opens the ports: gRPC, /metrics and /healthz, and the Autopilot gateway. */
const listen = async (
  { deps, options, metrics, shutdown }: Context,
  { store, fleet, health }: Base,
  { runs, meshes, profiles, schedules, traffics }: ReturnType<typeof startWork>,
  reload: Reload,
): Promise<{ server: GrpcServer; http: HttpServer }> => {
  const { clock, logger } = deps
  const byName = profiles.byName
  const parts = { clock, fleet, health, meshes, runs, schedules, store, reload, profiles: byName, traffics }
  const server = await serveGrpc(
    { logger, calls: observeCalls(metrics.grpcServerCalls, metrics.grpcServerOpen) },
    { address: options.listen, security: options.security, services: servicesOf(parts) },
  )
  shutdown.add(() => server.close(CLOSE_GRACE_SECONDS))
  const http = await listenHttp({
    registry: metrics.registry,
    health: () => [...runs.storeProblems(), ...meshes.problems()],
    address: options.http,
  })
  shutdown.add(() => http.close())
  if (options.autopilot) {
    const results = store.allResults
    const gateway = await listenAutopilot({
      clock,
      logger,
      fleet,
      health,
      runs,
      results,
      options: options.autopilot,
    })
    shutdown.add(() => gateway.close())
  }
  return { server, http }
}

/** Starts a collector. Rejects with an OperatingError when it cannot open its store or its ports; then nothing is left open. */
export const createCollector = async (
  deps: CollectorDeps,
  options: CollectorOptions & { version: string },
): Promise<Collector> => {
  const shutdown = createShutdown(deps)
  try {
    const metrics = createMetrics({ meter: deps.meter }, { version: options.version })
    shutdown.add(metrics.close)
    const observer = createObserver({ metrics })
    const context: Context = { deps, options, metrics, observer, shutdown }
    const base = openBase(context)
    const work = startWork(context, base)
    const draining = new AbortController()
    const reload = createReload({ ...deps, draining: draining.signal, ...base, ...work }, options)
    const { server, http } = await listen(context, base, work, reload)
    shutdown.add(() => draining.abort())
    return { server, http, reload, meshes: work.meshes, close: shutdown.close }
  } catch (error) {
    await shutdown.close()
    throw error
  }
}
