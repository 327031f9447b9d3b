/** Connects to the collector's API. */

import type { Channel } from '@grpc/grpc-js'
import { FleetServiceDefinition } from '#proto/meshgauge/collector/v1/fleet.ts'
import { HealthServiceDefinition } from '#proto/meshgauge/collector/v1/health.ts'
import { MeshServiceDefinition } from '#proto/meshgauge/collector/v1/mesh.ts'
import { ProfileServiceDefinition } from '#proto/meshgauge/collector/v1/profile.ts'
import { ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import { RunServiceDefinition } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleServiceDefinition } from '#proto/meshgauge/collector/v1/schedule.ts'
import { StoreServiceDefinition } from '#proto/meshgauge/collector/v1/store.ts'
import { TrafficServiceDefinition } from '#proto/meshgauge/collector/v1/traffic.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { plaintextProblem, type Security } from '../../lib/credentials.ts'
import { CommandError, UsageError } from '../command-errors.ts'
import { EXIT } from '../exit-codes.ts'

export const DEFAULT_COLLECTOR = '127.0.0.1:50050'

/** The options of every command, under commander's names. */
export type GlobalOptions = {
  collector?: string
  json?: boolean
  tlsCa?: string
  tlsCert?: string
  tlsKey?: string
  insecure?: boolean
  color?: boolean
}

export type CollectorClient = {
  address: string
  fleet: ReturnType<typeof createServiceClient<typeof FleetServiceDefinition>>
  runs: ReturnType<typeof createServiceClient<typeof RunServiceDefinition>>
  results: ReturnType<typeof createServiceClient<typeof ResultServiceDefinition>>
  health: ReturnType<typeof createServiceClient<typeof HealthServiceDefinition>>
  mesh: ReturnType<typeof createServiceClient<typeof MeshServiceDefinition>>
  profiles: ReturnType<typeof createServiceClient<typeof ProfileServiceDefinition>>
  schedules: ReturnType<typeof createServiceClient<typeof ScheduleServiceDefinition>>
  traffic: ReturnType<typeof createServiceClient<typeof TrafficServiceDefinition>>
  store: ReturnType<typeof createServiceClient<typeof StoreServiceDefinition>>
  close(): void
}

/** Why the text is not `host:port` or `[v6]:port`, or undefined if it is. */
export const addressProblem = (address: string): string | undefined => {
  const match = /^(?:\[[\da-f:.]+(?:%\w+)?\]|[^\s:/[\]]+):(\d+)$/i.exec(address)
  const port = Number(match?.[1])
  return match && port <= 65_535
    ? undefined
    : `"${address}" is not HOST:PORT, such as 10.0.0.1:50050 or [fd00::1]:50050`
}

/** Opens a channel and creates a client for each service. Sends nothing yet. */
export const connect = (address: string, security: Security): CollectorClient => {
  const problem = addressProblem(address) ?? plaintextProblem(address, security)
  if (problem) throw new UsageError([{ place: '--collector', message: problem }])
  let channel: Channel
  try {
    channel = openChannel(address, security)
  } catch (error) {
    throw new CommandError(`Cannot use the TLS files: ${(error as Error).message}`, EXIT.usage)
  }
  return {
    address,
    fleet: createServiceClient(FleetServiceDefinition, channel),
    runs: createServiceClient(RunServiceDefinition, channel),
    results: createServiceClient(ResultServiceDefinition, channel),
    health: createServiceClient(HealthServiceDefinition, channel),
    mesh: createServiceClient(MeshServiceDefinition, channel),
    profiles: createServiceClient(ProfileServiceDefinition, channel),
    schedules: createServiceClient(ScheduleServiceDefinition, channel),
    traffic: createServiceClient(TrafficServiceDefinition, channel),
    store: createServiceClient(StoreServiceDefinition, channel),
    close: () => channel.close(),
  }
}
