import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { Health } from '../health/health.ts'
import type { AutopilotConfig } from '../inventory/config.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { Runs } from '../runs/runs.ts'
import type { Query } from './query.ts'

/** The parts of the collector that the gateway uses. */
export type GatewayDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  health: Pick<Health, 'run'>
  runs: Pick<Runs, 'create' | 'watch' | 'get' | 'cancel'>
  results(run: string): PairResult[]
  /** Continues after the reply, until the gateway closes. */
  inBackground(work: (signal: AbortSignal) => Promise<void>): void
  options: AutopilotConfig
}

export type Request = {
  query: Query
  /** The URL at which the client reached the gateway, such as http://127.0.0.1:3333. */
  base: string
  /** Aborts when the client disconnects. */
  signal: AbortSignal
}
