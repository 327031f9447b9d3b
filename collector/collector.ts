import type { Meter, Tracer } from '@opentelemetry/api'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logging.ts'
import { type GrpcServer, serveGrpc } from '../lib/serving.ts'
import { listenAutopilot } from './autopilot/server.ts'
import { createClosing } from './closing.ts'
import { connectAgent } from './inventory/agents.ts'
import type { MeshController } from './mesh/mesh-controller.ts'
import type { CollectorOptions } from './options.ts'
import { createParts } from './parts.ts'
import type { Reload } from './reload.ts'
import { servicesOf } from './services.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import { listenHttp } from './telemetry/expose/http.ts'
import type { HttpServer } from './telemetry/expose/listening.ts'
import { observeCalls } from './telemetry/observe/collector.ts'

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
  const { clock, logger } = deps
  const closing = createClosing(deps)
  try {
    const parts = createParts(
      {
        ...deps,
        random: Math.random,
        openStore: (storeDeps) => openSqliteStore(options.store, options.storage, storeDeps),
        connectAgent: (address, calls) => connectAgent(address, options.security, calls),
      },
      options,
      closing,
    )
    const { metrics, fleet, health, runs, meshes, store, reload } = parts
    const server = await serveGrpc(
      { logger, calls: observeCalls(metrics.grpcServerCalls, metrics.grpcServerOpen) },
      {
        address: options.listen,
        security: options.security,
        services: servicesOf({ clock, ...parts }),
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
      const gateway = await listenAutopilot({
        clock,
        logger,
        fleet,
        health,
        runs,
        results: store.allResults,
        options: options.autopilot,
      })
      closing.add(() => gateway.close())
    }
    closing.add(() => parts.isClosing.abort())
    return { server, http, reload, meshes, close: closing.close }
  } catch (error) {
    await closing.close()
    throw error
  }
}
