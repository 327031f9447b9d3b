import type { Meter, Tracer } from '@opentelemetry/api'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, serveGrpc } from '../lib/serving.ts'
import { listenAutopilot } from './autopilot/server.ts'
import { createClosing } from './closing.ts'
import { createCooperativeYielding } from './cooperative-yielding.ts'
import { createHealth } from './health/health.ts'
import { connectAgent } from './inventory/agents.ts'
import { createFleet } from './inventory/fleet.ts'
import { createMeshController, type MeshController } from './mesh/mesh-controller.ts'
import { observeHealth, observeMeshes, observeRuns } from './observers.ts'
import type { CollectorOptions } from './options.ts'
import { createProfiles } from './profiles/configured.ts'
import { recover } from './recovery.ts'
import { createReload, type Reload } from './reload.ts'
import { createRuns } from './runs/runs.ts'
import { createTrafficInterfaces } from './runs/traffic-interfaces.ts'
import { createLedger } from './schedules/ledger.ts'
import { createMeshCoverage } from './schedules/mesh-coverage.ts'
import { createSchedules } from './schedules/schedules.ts'
import { servicesOf } from './services.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import { startUpkeep } from './store/upkeep.ts'
import { createMetrics } from './telemetry/catalogue/metrics.ts'
import { listenHttp } from './telemetry/expose/http.ts'
import type { HttpServer } from './telemetry/expose/listening.ts'
import { observeCalls, watchCollector } from './telemetry/observe/collector.ts'
import { showMeshes } from './telemetry/observe/mesh.ts'
import { createObserver } from './telemetry/observe/observe.ts'
import { observeSchedules } from './telemetry/observe/schedules.ts'
import { measuredStore, observeStoreInfo, watchDamage } from './telemetry/observe/store.ts'
import { createTrafficGauges } from './telemetry/observe/traffic.ts'
import { createTraffics } from './traffic/traffics.ts'

/** Time for calls that are under way when the collector stops. */
const CLOSE_GRACE_SECONDS = 3

export type CollectorDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  meter: Meter
  /** Reads the options again, as they are now. */
  readOptions: () => Promise<CollectorOptions>
}

/** A collector that serves until it is closed; closing interrupts every run and ends what its agents do for it. */
export const createCollector = async (
  deps: CollectorDeps,
  options: CollectorOptions & { version: string },
): Promise<{
  server: GrpcServer
  http: HttpServer
  reload: Reload
  meshes: MeshController
  close(): Promise<void>
}> => {
  const { clock, logger, tracer, meter } = deps
  const closing = createClosing(deps)
  const isClosing = new AbortController()
  try {
    const metrics = createMetrics({ meter }, { version: options.version })
    closing.add(metrics.close)
    const observer = createObserver({ metrics })
    const opened = openSqliteStore(options.store, options.storage, {
      clock,
      onDamaged: watchDamage({ metrics, logger }),
    })
    closing.add(opened.close)
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
    closing.add(upkeep.close)
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
    closing.add(() => fleet.close())
    observer.observeNodes(fleet.nodes())
    fleet.onChange(observer.observeNodes)
    const setMembers = (nodes: readonly { name: string }[]) =>
      store.setMembers(new Set(nodes.map(({ name }) => name)))
    setMembers(fleet.nodes())
    fleet.onChange(setMembers)
    const healthObserver = observeHealth(metrics, observer, fleet)
    const health = createHealth({ clock, logger, fleet, store, observer: healthObserver }, options.checks)
    closing.add(() => health.close())
    recover(store, observer, health, deps)
    const ledger = createLedger({ clock, store, breathe: createCooperativeYielding().yieldIfDue })
    const coverage = createMeshCoverage({ clock, logger, ledger, store })
    closing.add(() => coverage.close())
    const runObserver = observeRuns(metrics, observer, health, ledger)
    const traffic = createTrafficInterfaces()
    const runs = createRuns({ clock, logger, tracer, store, observer: runObserver, fleet, traffic })
    closing.add(() => runs.close())
    const meshes = createMeshController({
      clock,
      logger,
      random: Math.random,
      fleet,
      store,
      heldByRuns: runs.heldInterfaces,
      observer: observeMeshes(metrics, coverage),
    })
    closing.add(() => meshes.close())
    showMeshes({ metrics, clock }, meshes)
    watchCollector(metrics, { fleet, runs })
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
        observer: observeSchedules(metrics),
      },
      options.schedules,
    )
    closing.add(() => schedules.close())
    const reload = createReload(
      { ...deps, closing: isClosing.signal, fleet, health, schedules, profiles },
      options,
    )
    const observe = createTrafficGauges(metrics)
    const traffics = createTraffics({
      clock,
      logger,
      random: Math.random,
      fleet,
      runs,
      interfaces: traffic,
      observe,
    })
    closing.add(() => traffics.close())
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
          profiles: profiles.byName,
          traffics,
        }),
      },
    )
    closing.add(() => server.close(CLOSE_GRACE_SECONDS))
    const http = await listenHttp({
      registry: metrics.registry,
      health: () => [...runs.problems(), ...meshes.problems()],
      address: options.http,
    })
    closing.add(() => http.close())
    if (options.autopilot) {
      const parts = { clock, logger, fleet, health, runs, results: store.allResults }
      const gateway = await listenAutopilot({ ...parts, options: options.autopilot })
      closing.add(() => gateway.close())
    }
    closing.add(() => isClosing.abort())
    return { server, http, reload, meshes, close: closing.close }
  } catch (error) {
    await closing.close()
    throw error
  }
}
