/** Turns an error into a message for the user and an exit code. */

import { LabError } from '../deploy/local/lab-error.ts'
import { ConfigError } from '../lib/config.ts'
import {
  ClientError,
  describeCallError,
  type ErrorReason,
  fromClientError,
  OperatingError,
  Status,
} from '../lib/errors.ts'
import { CommandError, type Problem, renderProblems, UsageError } from './command-errors.ts'
import { EXIT } from './exit-codes.ts'
import { placeOf, type Typed } from './options/request-fields.ts'
import { sanitize } from './render/paint.ts'

export type ErrorReport = { message: string; exitCode: number; problems?: readonly Problem[] }

const operatingErrorOf = (error: unknown): OperatingError | undefined =>
  error instanceof OperatingError ? error : fromClientError(error)

/** The problems of a request that the collector refused, each at the option that the user typed; undefined for others. */
export const problemsOfRequest = (error: unknown, typed: Typed): Problem[] | undefined => {
  const operating = operatingErrorOf(error)
  if (operating?.reason !== 'SPEC_INVALID' || operating.violations.length === 0) return undefined
  return operating.violations.map(({ field, description }) => ({
    place: sanitize(placeOf(field, typed)),
    message: sanitize(description),
  }))
}

/** Operating errors caused by a wrong request. All others mean that the request cannot be served now. */
const USAGE_REASONS: readonly ErrorReason[] = [
  'SPEC_INVALID',
  'NOT_FOUND',
  'REQUEST_ID_REUSED',
  'RUN_NOT_ACTIVE',
  'TRAFFIC_NOT_ACTIVE',
  'SCHEDULE_ACTIVE',
  'SCHEDULE_FIXED',
]

const fromOperatingError = (error: OperatingError): ErrorReport => {
  const exitCode = USAGE_REASONS.includes(error.reason) ? EXIT.usage : EXIT.notMeasured
  if (error.violations.length === 0) return { message: sanitize(error.message), exitCode }
  const problems = error.violations.map(({ field, description }) => ({
    place: sanitize(field),
    message: sanitize(description),
  }))
  return { message: renderProblems(problems), exitCode, problems }
}

const fromCall = (error: ClientError, address: string): ErrorReport => {
  const said = sanitize(describeCallError(error)).replace(` ${address}`, '').replace(/\.$/, '')
  if (error.code === Status.UNAVAILABLE) {
    const advice = `Start one with "meshgauge collector --config fleet.yaml", start a trial fleet with "npm start -- --keep",
or name another collector with --collector HOST:PORT.`
    return { message: `No collector answers at ${address}: ${said}\n${advice}`, exitCode: EXIT.notMeasured }
  }
  if (error.code === Status.UNIMPLEMENTED) {
    return {
      message: `The server at ${address} is not a meshgauge collector, or it is older than this command.`,
      exitCode: EXIT.notMeasured,
    }
  }
  return { message: `The collector at ${address} reports: ${said}`, exitCode: EXIT.notMeasured }
}

/** The message and exit code of an expected error. Undefined for a bug, which is printed with its stack. */
export const describeError = (error: unknown, address: string): ErrorReport | undefined => {
  const operating = operatingErrorOf(error)
  if (operating) return fromOperatingError(operating)
  if (error instanceof ClientError) return fromCall(error, address)
  if (error instanceof UsageError) {
    const { problems } = error
    return { message: renderProblems(problems), exitCode: EXIT.usage, problems }
  }
  if (error instanceof CommandError) return { message: error.message, exitCode: error.exitCode }
  if (error instanceof LabError) return { message: error.message, exitCode: EXIT.usage }
  if (error instanceof ConfigError) {
    const problems = error.problems.map(({ line, column, path, message }) => ({
      place: `${error.file}:${line}:${column} ${path}`.trim(),
      message,
    }))
    return { message: error.message, exitCode: EXIT.usage, problems }
  }
  return undefined
}

/** The JSON document of a failed command, for --json. */
export const errorDocument = ({ message, exitCode, problems = [] }: ErrorReport) => ({
  error: { message, exitCode, problems },
})
