import { isDeepStrictEqual } from 'node:util'
import { ReloadFleetResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { ConfigError } from '../lib/config.ts'
import { OperatingError } from '../lib/errors.ts'
import type { Logger } from '../lib/logging.ts'
import type { Health } from './health/health.ts'
import type { Fleet } from './inventory/fleet.ts'
import type { CollectorOptions } from './options.ts'
import type { Profiles } from './profiles/configured.ts'
import type { Schedules } from './schedules/schedules.ts'

/** Settings that a collector takes up once, when it starts. */
const FIXED = [
  'listen',
  'http',
  'store',
  'storage',
  'security',
  'autopilot',
] as const satisfies (keyof CollectorOptions)[]

export type Reload = () => Promise<ReloadFleetResponse>

type Deps = {
  logger: Logger
  /** Aborted when the collector begins to close. */
  closing: AbortSignal
  /** Reads the config as the start did. */
  readOptions: () => Promise<CollectorOptions>
  fleet: Pick<Fleet, 'setInventory'>
  health: Pick<Health, 'setPeriodic'>
  schedules: Pick<Schedules, 'setOwn'>
  profiles: Pick<Profiles, 'set'>
}

/** A config that cannot be used becomes an error of the catalogue, every problem with its place. */
const toOperatingError = (error: unknown): unknown =>
  error instanceof ConfigError
    ? new OperatingError(
        'SPEC_INVALID',
        error.message.replace('nothing was started', 'nothing was changed'),
        {
          violations: error.problems.map(({ line, column, path, message }) => ({
            field: `${line}:${column} ${path}`.trim(),
            description: message,
          })),
        },
      )
    : error

/** Reads the config again and puts what it says in place, all of it or nothing. */
export const createReload = (deps: Deps, started: CollectorOptions): Reload => {
  const { logger, closing, readOptions, fleet, health, schedules, profiles } = deps
  return async () => {
    const options = await readOptions().catch((error: unknown) => {
      throw toOperatingError(error)
    })
    if (closing.aborted) throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
    const change = fleet.setInventory(options.nodes)
    health.setPeriodic(options.checks)
    profiles.set(options.profiles)
    schedules.setOwn(options.schedules)
    const restartRequired = FIXED.filter((key) => !isDeepStrictEqual(options[key], started[key]))
    const answer = ReloadFleetResponse.fromPartial({ ...change, restartRequired })
    logger.info(answer, 'the config was read again')
    return answer
  }
}
