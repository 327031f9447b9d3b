import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Health } from '../health/health.ts'
import type { AutopilotConfig } from '../inventory/config.ts'
import type { Fleet } from '../inventory/fleet.ts'
import type { Runs } from '../runs/runs.ts'
import type { Query } from './query.ts'

/** What answers are made with. */
export type GatewayDeps = {
  clock: Clock
  logger: Logger
  fleet: Pick<Fleet, 'nodes' | 'settled'>
  health: Pick<Health, 'run'>
  runs: Pick<Runs, 'create' | 'watch' | 'get' | 'cancel'>
  results(run: string): PairResult[]
  /** Goes on when the request has been answered, until the gateway closes. */
  inBackground(work: (signal: AbortSignal) => Promise<void>): void
  options: AutopilotConfig
}

export type Request = {
  query: Query
  /** Where the gateway was asked, such as http://127.0.0.1:3333. */
  base: string
  /** Aborts when whoever asked is gone. */
  signal: AbortSignal
}
