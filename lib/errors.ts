import { isAbortError } from 'abort-controller-x'
import { ClientError, ServerError, Status } from 'nice-grpc'
import {
  BadRequest,
  type ErrorDetails,
  ErrorInfo,
  RichClientError,
  RichServerError,
} from 'nice-grpc-error-details'

export { ClientError, Status }

/**
 * The closed catalogue of operating errors: what a caller may have to deal with. A bug is not here (it becomes
 * INTERNAL), and neither is what became of a measurement (that is an outcome, and the RPC is OK).
 */
export const ERROR_CATALOGUE = {
  SPEC_INVALID: {
    status: Status.INVALID_ARGUMENT,
    meaning: 'the request breaks rules; every violated field is listed',
  },
  NOT_FOUND: { status: Status.NOT_FOUND, meaning: 'what the request names does not exist' },
  ENGINE_UNAVAILABLE: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'the program behind the test cannot run on this node',
  },
  AGENT_BUSY: {
    status: Status.ABORTED,
    meaning:
      'somebody else has what is asked for: an exclusive test the interface in that direction, or another owner the mesh; the message says who; try again later',
  },
  INTERFACES_BUSY: {
    status: Status.FAILED_PRECONDITION,
    meaning:
      'interfaces carry sustained traffic, or a run has them to itself; the message says how to free them',
  },
  LIMIT_EXCEEDED: { status: Status.RESOURCE_EXHAUSTED, meaning: 'a ceiling that the agent enforces' },
  PORTS_EXHAUSTED: { status: Status.RESOURCE_EXHAUSTED, meaning: 'no port of the range is free' },
  PEER_NOT_ALLOWED: {
    status: Status.PERMISSION_DENIED,
    meaning: 'the address is not in a network the agent may measure',
  },
  INTERFACE_DOWN: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'the interface to measure on is down; the collector counts its pairs as unreachable',
  },
  AGENT_DRAINING: { status: Status.UNAVAILABLE, meaning: 'the agent is shutting down' },
  COLLECTOR_DRAINING: { status: Status.UNAVAILABLE, meaning: 'the collector is shutting down' },
  STORE_UNAVAILABLE: {
    status: Status.UNAVAILABLE,
    meaning: 'the collector cannot write its store, such as on a full disk',
  },
  SCHEDULE_ACTIVE: {
    status: Status.FAILED_PRECONDITION,
    meaning: "the schedule's run is under way; cancel it or wait",
  },
  SCHEDULE_FIXED: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'the schedule comes from the config file or is a default; change that, or pause the schedule',
  },
  RUN_NOT_ACTIVE: { status: Status.FAILED_PRECONDITION, meaning: 'the run has ended already' },
} as const

export type ErrorReason = keyof typeof ERROR_CATALOGUE

/** One broken rule. `field` is the path in the request, such as `targets[2].address`. */
export type Violation = { field: string; description: string }

/** An error of the catalogue. `violations` lists every problem, not only the first. */
export class OperatingError extends Error {
  readonly reason: ErrorReason
  readonly violations: readonly Violation[]

  constructor(reason: ErrorReason, message: string, violations: readonly Violation[] = []) {
    super(message)
    this.name = 'OperatingError'
    this.reason = reason
    this.violations = violations
  }
}

/** SPEC_INVALID with all violations, if there are any. */
export const throwIfInvalid = (what: string, violations: readonly Violation[]): void => {
  if (violations.length === 0) return
  const list = violations.map(({ field, description }) => `${field}: ${description}`).join('; ')
  throw new OperatingError('SPEC_INVALID', `${what} is not valid: ${list}`, violations)
}

/** An error goes over the wire in trailers. They may have 16 KiB in all, and the text is in them about twice. */
const MAX_ERROR_LENGTH = 4096

const clip = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 3)}...`

/** As many violations as fit, and how many there are more. */
const fitting = (violations: readonly Violation[]): Violation[] => {
  const kept: Violation[] = []
  let left = MAX_ERROR_LENGTH
  for (const { field, description } of violations) {
    const violation = { field: clip(field, 200), description: clip(description, 500) }
    left -= violation.field.length + violation.description.length
    if (left < 0) {
      const more = violations.length - kept.length
      return [...kept, { field: '...', description: `and ${more} more problems` }]
    }
    kept.push(violation)
  }
  return kept
}

/** As it goes over the wire: the status code, google.rpc.ErrorInfo, and google.rpc.BadRequest where fields are to blame. */
export const toServerError = (error: OperatingError): RichServerError => {
  const details: ErrorDetails[] = [ErrorInfo.fromPartial({ reason: error.reason, domain: 'meshgauge' })]
  if (error.violations.length > 0) {
    details.push(BadRequest.fromPartial({ fieldViolations: fitting(error.violations) }))
  }
  const message = clip(error.message, MAX_ERROR_LENGTH)
  return new RichServerError(ERROR_CATALOGUE[error.reason].status, message, details)
}

/** The OperatingError that a peer sent, or undefined when the failure is of another kind. */
export const fromClientError = (error: unknown): OperatingError | undefined => {
  if (!(error instanceof RichClientError)) return undefined
  const info = error.extra.find((detail): detail is ErrorInfo => detail.$type === ErrorInfo.$type)
  if (!info || !(info.reason in ERROR_CATALOGUE)) return undefined
  const bad = error.extra.find((detail): detail is BadRequest => detail.$type === BadRequest.$type)
  const violations = (bad?.fieldViolations ?? []).map(({ field, description }) => ({ field, description }))
  return new OperatingError(info.reason as ErrorReason, error.details, violations)
}

/** The gRPC status of a failed call, on either side. */
export const statusOf = (error: unknown): Status => {
  if (error instanceof ServerError || error instanceof ClientError) return error.code
  return isAbortError(error) ? Status.CANCELLED : Status.UNKNOWN
}

/** The text that belongs to a failed call's status. */
export const statusDetailsOf = (error: unknown): string =>
  error instanceof ServerError || error instanceof ClientError ? error.details : String(error)

/** One line for people about any failure of a call. */
export const describeCallError = (error: unknown): string => {
  if (error instanceof ClientError) {
    return error.code === Status.UNAVAILABLE
      ? shortenUnavailable(error.details)
      : `${Status[error.code]}: ${error.details}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** grpc-js wraps the operating system's error in much text; operators look for the errno. */
const shortenUnavailable = (details: string): string => {
  const match = /connect (E[A-Z]+) (\S+?)[\s,)]/.exec(`${details} `)
  if (!match) return details
  const words: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    EHOSTUNREACH: 'no route to host',
    ENETUNREACH: 'network unreachable',
    ETIMEDOUT: 'connection timed out',
  }
  return `${words[match[1]!] ?? match[1]} ${match[2]}`
}
