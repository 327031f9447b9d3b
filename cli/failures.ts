/** What went wrong, as lines for people and an exit code. */

import { ClientError, Status } from 'nice-grpc'
import { LabError } from '../deploy/local/problems.ts'
import { ConfigError } from '../lib/config.ts'
import { describeCallError, type ErrorReason, fromClientError, OperatingError } from '../lib/errors.ts'
import { EXIT } from './exit.ts'
import { CommandError, renderProblems, UsageError } from './problems.ts'
import { harmless } from './render/paint.ts'

export type Failure = { message: string; exitCode: number }

/** Operating errors that say the request was wrong; the others say that it cannot be done now. */
const USAGE_REASONS: readonly ErrorReason[] = [
  'SPEC_INVALID',
  'NOT_FOUND',
  'REQUEST_ID_REUSED',
  'RUN_NOT_ACTIVE',
  'TRAFFIC_NOT_ACTIVE',
  'SCHEDULE_ACTIVE',
  'SCHEDULE_FIXED',
]

const fromOperatingError = (error: OperatingError): Failure => {
  const exitCode = USAGE_REASONS.includes(error.reason) ? EXIT.usage : EXIT.notMeasured
  if (error.violations.length === 0) return { message: harmless(error.message), exitCode }
  const problems = error.violations.map(({ field, description }) => ({
    place: harmless(field),
    message: harmless(description),
  }))
  return { message: renderProblems(problems), exitCode }
}

const fromCall = (error: ClientError, address: string): Failure => {
  const said = harmless(describeCallError(error)).replace(` ${address}`, '').replace(/\.$/, '')
  if (error.code === Status.UNAVAILABLE) {
    const advice = `Start one with "meshgauge collector --config fleet.yaml" or a trial with "npm start -- --keep",
or name another with --collector HOST:PORT.`
    return { message: `No collector answers at ${address}: ${said}\n${advice}`, exitCode: EXIT.notMeasured }
  }
  if (error.code === Status.UNIMPLEMENTED) {
    return {
      message: `What answers at ${address} is no meshgauge collector, or an older one.`,
      exitCode: EXIT.notMeasured,
    }
  }
  return { message: `The collector at ${address} said ${said}`, exitCode: EXIT.notMeasured }
}

/** Undefined for what is a bug of ours: that deserves its stack. */
export const toFailure = (error: unknown, address: string): Failure | undefined => {
  const operating = error instanceof OperatingError ? error : fromClientError(error)
  if (operating) return fromOperatingError(operating)
  if (error instanceof ClientError) return fromCall(error, address)
  if (error instanceof UsageError) return { message: renderProblems(error.problems), exitCode: EXIT.usage }
  if (error instanceof CommandError) return { message: error.message, exitCode: error.exitCode }
  if (error instanceof LabError) return { message: error.message, exitCode: EXIT.usage }
  if (error instanceof ConfigError) return { message: error.message, exitCode: EXIT.usage }
  return undefined
}
