import type { Meter, Tracer } from '@opentelemetry/api'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import type { CallObserver } from '../lib/rpc-counting.ts'
import type { Closing } from './closing.ts'
import { createCooperativeYielding } from './cooperative-yielding.ts'
import { createHealth } from './health/health.ts'
import type { AgentConnection } from './inventory/agents.ts'
import { createFleet } from './inventory/fleet.ts'
import { createMeshController } from './mesh/mesh-controller.ts'
import { observeHealth, observeMeshes, observeRuns } from './observers.ts'
import type { CollectorOptions } from './options.ts'
import { createProfiles } from './profiles/configured.ts'
import { recover } from './recovery.ts'
import { createReload } from './reload.ts'
import { createRuns } from './runs/runs.ts'
import { createTrafficInterfaces } from './runs/traffic-interfaces.ts'
import { createLedger } from './schedules/ledger.ts'
import { createMeshCoverage } from './schedules/mesh-coverage.ts'
import { createSchedules } from './schedules/schedules.ts'
import type { SqliteStoreDeps } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'
import { startUpkeep } from './store/upkeep.ts'
import { createMetrics } from './telemetry/catalogue/metrics.ts'
import { observeCalls, watchCollector } from './telemetry/observe/collector.ts'
import { showMeshes } from './telemetry/observe/mesh.ts'
import { createObserver } from './telemetry/observe/observe.ts'
import { observeSchedules } from './telemetry/observe/schedules.ts'
import { measuredStore, observeStoreInfo, watchDamage } from './telemetry/observe/store.ts'
import { createTrafficGauges } from './telemetry/observe/traffic.ts'
import { createTraffics } from './traffic/traffics.ts'

export type PartsDeps = {
  clock: Clock
  logger: Logger
  tracer: Tracer
  meter: Meter
  /** From 0 to 1, for jitter and sampling. */
  random: () => number
  /** Reads the options again, as they are now. */
  readOptions: () => Promise<CollectorOptions>
  openStore: (deps: SqliteStoreDeps) => Store
  connectAgent: (address: string, calls: CallObserver) => AgentConnection
}

/** Everything of a collector that works without being asked from outside. `closing` gets what ends it. */
export const createParts = (
  deps: PartsDeps,
  options: CollectorOptions & { version: string },
  closing: Closing,
) => {
  const base = createBase(deps, options, closing)
  return { ...base, ...createWork(deps, options, closing, base) }
}

export type Parts = ReturnType<typeof createParts>

/** What is known: the store, the fleet, and the health of its nodes. */
const createBase = (
  { clock, logger, meter, openStore, connectAgent }: PartsDeps,
  options: CollectorOptions & { version: string },
  closing: Closing,
) => {
  const metrics = createMetrics({ meter }, { version: options.version })
  closing.add(metrics.close)
  const observer = createObserver({ metrics })
  const opened = openStore({ clock, onDamaged: watchDamage({ metrics, logger }) })
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
      connect: (address) => connectAgent(address, agentCalls),
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
  recover(store, observer, health, { clock, logger })
  return { metrics, observer, store, fleet, health }
}

/** What measures: runs, meshes, schedules, traffic. */
const createWork = (
  deps: PartsDeps,
  options: CollectorOptions,
  closing: Closing,
  { metrics, observer, store, fleet, health }: ReturnType<typeof createBase>,
) => {
  const { clock, logger, tracer, random } = deps
  const isClosing = new AbortController()
  const { yieldIfDue } = createCooperativeYielding(clock)
  const ledger = createLedger({ clock, store, breathe: yieldIfDue })
  const coverage = createMeshCoverage({ clock, logger, ledger, store })
  closing.add(() => coverage.close())
  const runObserver = observeRuns(metrics, observer, health, ledger)
  const interfaces = createTrafficInterfaces()
  const runs = createRuns({
    clock,
    logger,
    tracer,
    store,
    observer: runObserver,
    fleet,
    traffic: interfaces,
  })
  closing.add(() => runs.close())
  const meshes = createMeshController({
    clock,
    logger,
    random,
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
      breathe: yieldIfDue,
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
  const traffics = createTraffics({ clock, logger, random, fleet, runs, interfaces, observe })
  closing.add(() => traffics.close())
  return { runs, meshes, profiles: profiles.byName, schedules, reload, traffics, isClosing }
}
