import { randomBytes } from 'node:crypto'
import type { HttpServer } from '../lib/http-listener.ts'
import { type GrpcServer, serveGrpc } from '../lib/serving.ts'
import { listenAutopilot } from './autopilot/server.ts'
import { connectAgent } from './inventory/agents.ts'
import type { MeshController } from './mesh/mesh-controller.ts'
import type { CollectorOptions } from './options.ts'
import { createParts, type PartsDeps } from './parts.ts'
import type { Reload } from './reload.ts'
import { servicesOf } from './services.ts'
import { createShutdown } from './shutdown.ts'
import { openSqliteStore } from './store/sqlite/store.ts'
import { listenHttp } from './telemetry/expose/http-server.ts'
import { observeCalls } from './telemetry/observe/collector-gauges.ts'

/** How long calls in progress may take when the collector stops. */
const CLOSE_GRACE_SECONDS = 3

export type CollectorDeps = Pick<PartsDeps, 'clock' | 'logger' | 'tracer' | 'meter' | 'readOptions'>

export type Collector = {
  server: GrpcServer
  http: HttpServer
  reload: Reload
  meshes: MeshController
  /** Interrupts every run, stops what agents do for this collector, and closes every part. */
  close(): Promise<void>
}

/** Starts a collector: its parts, then its ports. Rejects with an OperatingError when it cannot open its store or a port. */
export const createCollector = async (
  deps: CollectorDeps,
  options: CollectorOptions & { version: string },
): Promise<Collector> => {
  const { clock, logger } = deps
  const shutdown = createShutdown(deps)
  try {
    const parts = createParts(
      {
        ...deps,
        random: Math.random,
        randomBytes,
        hasProcessMetrics: true,
        openStore: (storeDeps) => openSqliteStore(options.store, options.storage, storeDeps),
        connectAgent: (address, calls) => connectAgent(address, options.security, calls),
      },
      options,
      shutdown,
    )
    const { metrics, fleet, health, runs, meshes, store, reload, profiles } = parts
    const server = await serveGrpc(
      { logger, calls: observeCalls(metrics.grpcServerCalls, metrics.grpcServerOpen) },
      {
        address: options.listen,
        security: options.security,
        services: servicesOf({ ...parts, clock, profiles: profiles.byName }),
      },
    )
    shutdown.add(() => server.close(CLOSE_GRACE_SECONDS))
    const http = await listenHttp({
      registry: metrics.registry,
      health: () => [...runs.storeProblems(), ...meshes.problems()],
      address: options.http,
    })
    shutdown.add(() => http.close())
    if (options.autopilot) {
      const gatewayParts = { clock, logger, fleet, health, runs, results: store.allResults }
      const gateway = await listenAutopilot({ ...gatewayParts, options: options.autopilot })
      shutdown.add(() => gateway.close())
    }
    shutdown.add(() => {
      fleet.stopAsking()
      parts.draining.abort()
    })
    return { server, http, reload, meshes, close: shutdown.close }
  } catch (error) {
    await shutdown.close()
    throw error
  }
}
