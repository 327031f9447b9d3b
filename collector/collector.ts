import type { Meter, Tracer } from '@opentelemetry/api'
import { FleetServiceDefinition } from '#proto/meshgauge/collector/v1/fleet.ts'
import { ProfileServiceDefinition } from '#proto/meshgauge/collector/v1/profile.ts'
import { ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import { RunServiceDefinition } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, serveGrpc, service } from '../lib/serving.ts'
import type { RunObserver } from './dispatch/active-run.ts'
import { createRuns } from './dispatch/runs.ts'
import { connectAgent } from './inventory/agents.ts'
import { createFleet } from './inventory/fleet.ts'
import type { CollectorOptions } from './options.ts'
import { readBuiltIns } from './profiles/built-ins.ts'
import { createFleetService } from './services/fleet.ts'
import { createProfileService } from './services/profile.ts'
import { createResultService } from './services/result.ts'
import { createRunService } from './services/run.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import type { Store } from './store/store.ts'
import { type HttpServer, listenHttp } from './telemetry/http.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { createObserver, type Observer } from './telemetry/observe.ts'
import { measuredStore } from './telemetry/store.ts'

/** Time for calls that are under way when the collector stops. */
const CLOSE_GRACE_SECONDS = 3
/** After a restart the metrics show the newest runs of each kind again; older ones are in the store. */
const RESTORED_RUNS = 20
/** A larger run would hold up the start for seconds. */
const RESTORED_PAIRS = 10_000

export type CollectorDeps = { clock: Clock; logger: Logger; tracer: Tracer; meter: Meter }

/** Runs that lost their collector are marked, and the newest ended ones are shown in the metrics again. */
const recover = (store: Store, observer: Observer, { clock, logger }: CollectorDeps): void => {
  for (const run of store.interruptUnfinished('the collector was restarted in the middle', clock.now())) {
    logger.warn({ run: run.id }, 'run was interrupted; what was acknowledged is kept')
  }
  const { runs } = store.listRuns({ size: RESTORED_RUNS, token: '' })
  for (const run of runs.reverse()) {
    if ((run.plan?.pairCount ?? 0) <= RESTORED_PAIRS) observer.restoreRun(run, store.allResults(run.id))
  }
}

const observeRuns = (metrics: Metrics, observer: Observer): RunObserver => {
  const testsActive = new Map<string, number>()
  const count = (test: string, by: number) => {
    testsActive.set(test, (testsActive.get(test) ?? 0) + by)
    metrics.testsActive.set({ test }, testsActive.get(test)!)
  }
  return {
    ...observer,
    observeActive: (active) => metrics.runsActive.set({}, active),
    observeTestStart: (test, idleSeconds) => {
      metrics.dispatchLag.observe({}, idleSeconds)
      count(test, 1)
    },
    observeTestEnd: (test) => count(test, -1),
  }
}

/** A collector that serves until it is closed; closing interrupts every run and ends what its agents do for it. */
export const createCollector = async (
  deps: CollectorDeps,
  options: CollectorOptions & { version: string },
): Promise<{ server: GrpcServer; http: HttpServer; close(): Promise<void> }> => {
  const { clock, logger, tracer, meter } = deps
  const metrics = createMetrics({ meter }, { version: options.version })
  const observer = createObserver({ metrics })
  const opened = openSqliteStore(options.store)
  const undo: (() => unknown)[] = [() => opened.close(), () => metrics.close()]
  const closeAll = async () => {
    for (const close of undo.reverse()) await close()
  }
  try {
    const store = measuredStore(opened, { metrics, clock })
    recover(store, observer, deps)
    const fleet = createFleet(
      {
        clock,
        logger,
        connect: (address) => connectAgent(address, options.security),
        lastMeasured: store.lastMeasured,
        onChange: observer.observeNodes,
      },
      options.nodes,
    )
    undo.push(() => fleet.close())
    observer.observeNodes(fleet.nodes())
    const runs = createRuns({ clock, logger, tracer, store, observer: observeRuns(metrics, observer), fleet })
    undo.push(() => runs.close())
    const server = await serveGrpc(
      { logger },
      {
        address: options.listen,
        security: options.security,
        services: [
          service(
            FleetServiceDefinition,
            createFleetService({ clock, fleet, observeCheck: observer.observeCheck }),
          ),
          service(RunServiceDefinition, createRunService(runs)),
          service(ProfileServiceDefinition, createProfileService({ clock, runs, builtIns: readBuiltIns() })),
          service(ResultServiceDefinition, createResultService(store)),
        ],
      },
    )
    undo.push(() => server.close(CLOSE_GRACE_SECONDS))
    const http = await listenHttp({
      registry: metrics.registry,
      health: runs.problems,
      address: options.http,
    })
    undo.push(() => http.close())
    return { server, http, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}
