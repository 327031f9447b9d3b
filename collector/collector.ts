import { setImmediate } from 'node:timers/promises'
import type { Meter, Tracer } from '@opentelemetry/api'
import { FleetServiceDefinition } from '#proto/meshgauge/collector/v1/fleet.ts'
import { HealthServiceDefinition } from '#proto/meshgauge/collector/v1/health.ts'
import { MeshServiceDefinition } from '#proto/meshgauge/collector/v1/mesh.ts'
import { type Profile, ProfileServiceDefinition } from '#proto/meshgauge/collector/v1/profile.ts'
import { ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import { RunServiceDefinition } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleServiceDefinition } from '#proto/meshgauge/collector/v1/schedule.ts'
import { StoreServiceDefinition } from '#proto/meshgauge/collector/v1/store.ts'
import { TrafficServiceDefinition } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, serveGrpc, service } from '../lib/serving.ts'
import { createAutopilotGauge } from './autopilot/gauge.ts'
import { listenAutopilot } from './autopilot/server.ts'
import type { RunObserver } from './dispatch/active-run.ts'
import { createRuns, type Runs } from './dispatch/runs.ts'
import { createTrafficInterfaces } from './dispatch/traffic-interfaces.ts'
import { createHealth, type Health, type HealthObserver } from './health/health.ts'
import { connectAgent } from './inventory/agents.ts'
import { createFleet, type Fleet } from './inventory/fleet.ts'
import { createMeshes, type Meshes } from './mesh/meshes.ts'
import type { CollectorOptions } from './options.ts'
import { readBuiltIns } from './profiles/built-ins.ts'
import { createReload, type Reload } from './reload.ts'
import { createLedger, type Ledger } from './schedules/ledger.ts'
import { createSchedules, type Schedules } from './schedules/schedules.ts'
import { createFleetService } from './services/fleet.ts'
import { createHealthService } from './services/health.ts'
import { createMeshService } from './services/mesh.ts'
import { createProfileService } from './services/profile.ts'
import { createResultService } from './services/result.ts'
import { createRunService } from './services/run.ts'
import { createScheduleService } from './services/schedule.ts'
import { createStoreService } from './services/store.ts'
import { createThroughputCheck } from './services/throughput-check.ts'
import { createTrafficService } from './services/traffic.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'
import { startUpkeep } from './store/upkeep.ts'
import { listenHttp } from './telemetry/http.ts'
import type { HttpServer } from './telemetry/listening.ts'
import { createMeshObserver, showMeshes } from './telemetry/mesh.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { createObserver, type Observer } from './telemetry/observe.ts'
import { observeSchedules } from './telemetry/schedules.ts'
import { observeCalls, watchCollector } from './telemetry/self.ts'
import { measuredStore, observeStoreInfo } from './telemetry/store.ts'
import { createTrafficGauges } from './telemetry/traffic.ts'
import { createTraffics, type Traffics } from './traffic/traffics.ts'

/** Time for calls that are under way when the collector stops. */
const CLOSE_GRACE_SECONDS = 3
/** After a restart the metrics show the newest runs of each kind again; older ones are in the store. */
const RESTORED_RUNS = 20
/** A larger run would hold up the start for seconds. */
const RESTORED_PAIRS = 10_000

type Parts = {
  clock: Clock
  fleet: Fleet
  health: Health
  meshes: Meshes
  runs: Runs
  schedules: Schedules
  builtIns: ReadonlyMap<string, Profile>
  store: Store
  reload: Reload
  traffics: Traffics
}

export type CollectorDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  meter: Meter
  /** Reads the options again, as they are now. */
  readOptions: () => Promise<CollectorOptions>
}

/** Runs that lost their collector are marked, and the newest ended ones are shown in the metrics again. */
const recover = (
  store: Store,
  observer: Observer,
  health: Pick<Health, 'observeRun'>,
  { clock, logger }: CollectorDeps,
): void => {
  for (const run of store.interruptUnfinished('the collector was restarted in the middle', clock.now())) {
    logger.warn({ run: run.id }, 'run was interrupted; what was acknowledged is kept')
  }
  const { runs } = store.listRuns({ size: RESTORED_RUNS, token: '' })
  for (const run of runs.reverse()) {
    if ((run.plan?.pairCount ?? 0) > RESTORED_PAIRS) continue
    const results = store.allResults(run.id)
    observer.restoreRun(run, results)
    health.observeRun(run, results)
  }
}

const observeRuns = (
  metrics: Metrics,
  observer: Observer,
  health: Pick<Health, 'observeRun'>,
  ledger: Pick<Ledger, 'record'>,
): RunObserver => {
  const testsActive = new Map<string, number>()
  const count = (test: string, by: number) => {
    testsActive.set(test, (testsActive.get(test) ?? 0) + by)
    metrics.testsActive.set({ test }, testsActive.get(test)!)
  }
  return {
    ...observer,
    observeResults: (run, results) => {
      observer.observeResults(run, results)
      ledger.record(run.spec?.test?.$case ?? '', results)
    },
    observeRun: (run, results) => {
      observer.observeRun(run, results)
      health.observeRun(run, results)
      // With what was only measured when it was tried again.
      ledger.record(run.spec?.test?.$case ?? '', results)
    },
    observeActive: (active) => metrics.runsActive.set({}, active),
    observeDropped: (reason, count) => metrics.resultsDropped.add({ reason }, count),
    observeTestStart: (test, idleSeconds, traceId) => {
      metrics.dispatchLag.observe({}, idleSeconds, traceId)
      count(test, 1)
    },
    observeTestEnd: (test) => count(test, -1),
  }
}

const observeHealth = (metrics: Metrics, observer: Observer, fleet: Pick<Fleet, 'nodes'>): HealthObserver => {
  const gauge = createAutopilotGauge({ metrics, nodes: fleet.nodes })
  return {
    ...observer,
    observeRecord: (node, record) => {
      observer.observeRecord(node, record)
      gauge.observeRecord(node, record)
    },
  }
}

const servicesOf = ({
  clock,
  fleet,
  health,
  meshes,
  runs,
  schedules,
  store,
  reload,
  builtIns,
  traffics,
}: Parts) => [
  service(
    FleetServiceDefinition,
    createFleetService({
      fleet,
      health,
      reload,
      throughputCheck: createThroughputCheck({ clock, runs, results: store.allResults }),
    }),
  ),
  service(HealthServiceDefinition, createHealthService({ fleet, health })),
  service(RunServiceDefinition, createRunService(runs)),
  service(ProfileServiceDefinition, createProfileService({ clock, runs, builtIns })),
  service(ScheduleServiceDefinition, createScheduleService(schedules)),
  service(ResultServiceDefinition, createResultService(store)),
  service(StoreServiceDefinition, createStoreService(store)),
  service(TrafficServiceDefinition, createTrafficService(traffics)),
  service(MeshServiceDefinition, createMeshService({ clock, meshes, store })),
]

/** A collector that serves until it is closed; closing interrupts every run and ends what its agents do for it. */
export const createCollector = async (
  deps: CollectorDeps,
  options: CollectorOptions & { version: string },
): Promise<{
  server: GrpcServer
  http: HttpServer
  reload: Reload
  meshes: Meshes
  close(): Promise<void>
}> => {
  const { clock, logger, tracer, meter } = deps
  const metrics = createMetrics({ meter }, { version: options.version })
  const observer = createObserver({ metrics })
  const opened = openSqliteStore(options.store, options.storage)
  const undo: (() => unknown)[] = [() => opened.close(), () => metrics.close()]
  const closeAll = async () => {
    for (const close of undo.reverse()) await close()
  }
  try {
    const store = measuredStore(opened, { metrics, clock })
    const upkeep = startUpkeep({
      clock,
      logger,
      store,
      observer: {
        observeMaintain: (seconds) => metrics.storeMaintain.observe({}, seconds),
        observeInfo: (info) => observeStoreInfo(metrics, info),
      },
    })
    undo.push(upkeep.close)
    const agentCalls = observeCalls(metrics.grpcClientCalls, metrics.grpcClientOpen)
    const fleet = createFleet(
      {
        clock,
        logger,
        connect: (address) => connectAgent(address, options.security, agentCalls),
        lastMeasured: store.lastMeasured,
      },
      options.nodes,
    )
    undo.push(() => fleet.close())
    observer.observeNodes(fleet.nodes())
    fleet.onChange(observer.observeNodes)
    const healthObserver = observeHealth(metrics, observer, fleet)
    const health = createHealth({ clock, logger, fleet, store, observer: healthObserver }, options.checks)
    undo.push(() => health.close())
    recover(store, observer, health, deps)
    const ledger = createLedger({ store, breathe: setImmediate })
    const runObserver = observeRuns(metrics, observer, health, ledger)
    const traffic = createTrafficInterfaces()
    const runs = createRuns({ clock, logger, tracer, store, observer: runObserver, fleet, traffic })
    undo.push(() => runs.close())
    const meshes = createMeshes({
      clock,
      logger,
      random: Math.random,
      fleet,
      store,
      observer: createMeshObserver(metrics),
      heldByRuns: runs.heldInterfaces,
    })
    undo.push(() => meshes.close())
    showMeshes({ metrics, clock }, meshes)
    watchCollector(metrics, { fleet, runs })
    const builtIns = readBuiltIns()
    const schedules = createSchedules(
      {
        clock,
        logger,
        fleet,
        runs,
        ledger,
        builtIns,
        breathe: setImmediate,
        documents: store,
        meshes,
        observer: observeSchedules(metrics),
      },
      options.schedules,
    )
    undo.push(() => schedules.close())
    const reload = createReload({ ...deps, fleet, health, schedules }, options)
    const observe = createTrafficGauges(metrics)
    const traffics = createTraffics({ clock, logger, fleet, runs, interfaces: traffic, observe })
    undo.push(() => traffics.close())
    const server = await serveGrpc(
      { logger, calls: observeCalls(metrics.grpcServerCalls, metrics.grpcServerOpen) },
      {
        address: options.listen,
        security: options.security,
        services: servicesOf({
          clock,
          fleet,
          health,
          meshes,
          runs,
          schedules,
          store,
          reload,
          builtIns,
          traffics,
        }),
      },
    )
    undo.push(() => server.close(CLOSE_GRACE_SECONDS))
    const http = await listenHttp({
      registry: metrics.registry,
      health: () => [...runs.problems(), ...meshes.problems()],
      address: options.http,
    })
    undo.push(() => http.close())
    if (options.autopilot) {
      const parts = { clock, logger, fleet, health, runs, results: store.allResults }
      const gateway = await listenAutopilot({ ...parts, options: options.autopilot })
      undo.push(() => gateway.close())
    }
    return { server, http, reload, meshes, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}
