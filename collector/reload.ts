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

/** Settings that need a restart of the collector. */
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
  /** Aborted when the collector starts to shut down. */
  draining: AbortSignal
  /** Reads the options from the same config as the start. */
  readOptions: () => Promise<CollectorOptions>
  fleet: Pick<Fleet, 'setInventory'>
  health: Pick<Health, 'setPeriodic'>
  schedules: Pick<Schedules, 'setConfigured'>
  profiles: Pick<Profiles, 'set'>
}

/** Turns the problems of a config into an error of the catalogue, with the location of each. */
const toOperatingError = (error: unknown): unknown =>
  error instanceof ConfigError
    ? new OperatingError(
        'SPEC_INVALID',
        error.message.replace('nothing was started', 'nothing was changed'),
        {
          violations: error.problems.map(({ line, column, path, message }) => ({
            field: `${error.file}:${line}:${column} ${path}`.trim(),
            description: message,
          })),
        },
      )
    : error

/** Returns a function that reads the config again and applies it. A config with problems changes nothing. */
export const createReload = (deps: Deps, started: CollectorOptions): Reload => {
  const { logger, draining, readOptions, fleet, health, schedules, profiles } = deps
  return async () => {
    const options = await readOptions().catch((error: unknown) => {
      throw toOperatingError(error)
    })
    if (draining.aborted) throw new OperatingError('COLLECTOR_DRAINING', 'this collector is shutting down')
    const change = fleet.setInventory(options.nodes)
    health.setPeriodic(options.checks)
    profiles.set(options.profiles)
    schedules.setConfigured(options.schedules)
    const restartRequired = FIXED.filter((key) => !isDeepStrictEqual(options[key], started[key]))
    const answer = ReloadFleetResponse.fromPartial({ ...change, restartRequired })
    logger.info(answer, 'the config was read again')
    return answer
  }
}
