import type { Meter, Tracer } from '@opentelemetry/api'
import type { CallObserver } from '../lib/call-observer.ts'
import type { Clock } from '../lib/clock.ts'
import type { RandomBytes } from '../lib/ids.ts'
import type { Logger } from '../lib/logging.ts'
import { createCooperativeYielding } from './cooperative-yielding.ts'
import { Health } from './health/health.ts'
import type { AgentConnection } from './inventory/agents.ts'
import { createFleet, type Fleet } from './inventory/fleet.ts'
import { createMeshController } from './mesh/mesh-controller.ts'
import { observeHealth, observeMeshes, observeRuns } from './observers.ts'
import type { CollectorOptions } from './options.ts'
import { createProfiles } from './profiles/configured.ts'
import { recover } from './recovery.ts'
import { createReload } from './reload.ts'
import { Runs } from './runs/runs.ts'
import { createTrafficInterfaces } from './runs/traffic-interfaces.ts'
import { CoverageLedger } from './schedules/coverage/coverage-ledger.ts'
import { MeshCoverage } from './schedules/coverage/mesh-coverage.ts'
import { Schedules } from './schedules/schedules.ts'
import type { Shutdown } from './shutdown.ts'
import { startMaintenance } from './store/maintenance-loop.ts'
import type { SqliteStoreDeps } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'
import { createMetrics, type Metrics } from './telemetry/catalogue/metrics.ts'
import { observeCalls, registerCollectorGauges } from './telemetry/observe/collector-gauges.ts'
import {
  measuredStore,
  observeStoreInfo,
  watchDamage,
  watchDamagedRecords,
} from './telemetry/observe/measured-store.ts'
import { registerMeshGauges } from './telemetry/observe/mesh-gauges.ts'
import { createObserver, type Observer } from './telemetry/observe/observer.ts'
import { createScheduleObserver } from './telemetry/observe/schedule-observer.ts'
import { createTrafficGauges } from './telemetry/observe/traffic-gauges.ts'
import { Traffics } from './traffic/traffics.ts'

export type PartsDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  meter: Meter
  /** Returns a number in [0, 1), for jitter and sampling. */
  random: () => number
  randomBytes: RandomBytes
  /** Reads the options again from the config. */
  readOptions: () => Promise<CollectorOptions>
  openStore: (deps: SqliteStoreDeps) => Store
  connectAgent: (address: string, calls: CallObserver) => AgentConnection
  /** Whether the metrics include those of this process. */
  hasProcessMetrics: boolean
}

type Context = {
  deps: PartsDeps
  options: CollectorOptions & { version: string }
  metrics: Metrics
  observer: Observer
  shutdown: Shutdown
}

const openStore = ({ deps, metrics, shutdown }: Context): Store => {
  const { clock, logger } = deps
  const opened = deps.openStore({
    clock,
    onDamaged: watchDamage({ metrics, logger }),
    onDamagedRecord: watchDamagedRecords({ metrics, logger }),
  })
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
  const calls = observeCalls(metrics.grpcClientCalls, metrics.grpcClientOpen)
  const connect = (address: string) => deps.connectAgent(address, calls)
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

/** The store, the fleet, and the health of its nodes. */
const openBase = (context: Context) => {
  const { deps, options, metrics, observer, shutdown } = context
  const { clock, logger } = deps
  const store = openStore(context)
  const fleet = openFleet(context, store)
  const healthObserver = observeHealth(metrics, observer, fleet)
  const health = new Health({ clock, logger, fleet, store, observer: healthObserver }, options.checks)
  shutdown.add(() => health.close())
  const hadExclusiveRun = recover(store, observer, health, { clock, logger })
  return { store, fleet, health, hadExclusiveRun }
}

/** Runs, and the always-on work: the ping mesh, schedules and traffic. */
const startWork = (
  { deps, options, metrics, observer, shutdown }: Context,
  { store, fleet, health, hadExclusiveRun }: ReturnType<typeof openBase>,
) => {
  const { clock, logger, tracer, random, randomBytes } = deps
  const { yieldIfDue } = createCooperativeYielding(clock)
  const ledger = new CoverageLedger({ clock, store, yieldIfDue })
  const coverage = new MeshCoverage({ clock, logger, ledger, store })
  shutdown.add(() => coverage.close())
  const runObserver = observeRuns(metrics, observer, health, ledger)
  const interfaces = createTrafficInterfaces()
  const runs = new Runs({
    ...{ clock, logger, tracer, randomBytes, store, fleet },
    observer: runObserver,
    traffic: interfaces,
  })
  shutdown.add(() => runs.close())
  registerCollectorGauges(metrics, { fleet, runs })
  const meshes = createMeshController({
    clock,
    logger,
    random,
    fleet,
    store,
    heldByRuns: () => runs.exclusiveInterfaces(),
    hadExclusiveRun,
    observer: observeMeshes(metrics, coverage),
  })
  shutdown.add(() => meshes.close())
  registerMeshGauges({ metrics, clock }, meshes)
  const profiles = createProfiles(options.profiles)
  const schedules = new Schedules(
    {
      clock,
      logger,
      fleet,
      runs,
      ledger,
      profiles: profiles.byName,
      yieldIfDue,
      documents: store,
      meshes,
      observer: createScheduleObserver(metrics),
    },
    options.schedules,
  )
  shutdown.add(() => schedules.close())
  const observe = createTrafficGauges(metrics)
  const traffics = new Traffics({ clock, logger, random, randomBytes, fleet, runs, interfaces, observe })
  shutdown.add(() => traffics.close())
  return { runs, meshes, profiles, schedules, traffics }
}

/** Creates everything of a collector except its ports, and starts the always-on work. `shutdown` closes it. */
export const createParts = (
  deps: PartsDeps,
  options: CollectorOptions & { version: string },
  shutdown: Shutdown,
) => {
  const metrics = createMetrics(
    { meter: deps.meter },
    { version: options.version, hasProcessMetrics: deps.hasProcessMetrics },
  )
  shutdown.add(metrics.close)
  const context: Context = { deps, options, metrics, observer: createObserver({ metrics }), shutdown }
  const base = openBase(context)
  const work = startWork(context, base)
  /** Aborted when the shutdown starts. */
  const draining = new AbortController()
  const reload = createReload({ ...deps, draining: draining.signal, ...base, ...work }, options)
  return { metrics, ...base, ...work, reload, draining }
}
