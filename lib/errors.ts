import { isAbortError } from 'abort-controller-x'
import { ClientError, ServerError, Status } from 'nice-grpc'
import {
  BadRequest,
  type ErrorDetails,
  ErrorInfo,
  RetryInfo,
  RichClientError,
  RichServerError,
} from 'nice-grpc-error-details'
import { fromDuration, toDuration } from './protobuf-time.ts'

export { ClientError, Status }

/**
 * The closed catalogue of operating errors: failures that a caller can handle. Bugs are not in it (they are INTERNAL), and
 * neither are failed measurements (they are outcomes, and the status of the RPC is OK).
 */
export const ERROR_CATALOGUE = {
  SPEC_INVALID: {
    status: Status.INVALID_ARGUMENT,
    meaning: 'the request is not valid; every violated field is listed',
  },
  REQUEST_ID_REUSED: {
    status: Status.ALREADY_EXISTS,
    meaning: 'the `request_id` belongs to an earlier request with other content; use a new id',
  },
  NOT_FOUND: { status: Status.NOT_FOUND, meaning: 'the named resource does not exist' },
  ENGINE_UNAVAILABLE: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'the program of the test cannot run on this node; all reasons are listed',
  },
  AGENT_BUSY: {
    status: Status.ABORTED,
    meaning:
      'another test uses the interface in this direction, or another owner the mesh; the message names it; `RetryInfo` says when to try again',
  },
  INTERFACES_BUSY: {
    status: Status.FAILED_PRECONDITION,
    meaning:
      'the interfaces carry sustained traffic, or a run uses them exclusively; the message says how to free them',
  },
  LIMIT_EXCEEDED: {
    status: Status.RESOURCE_EXHAUSTED,
    meaning:
      'the request exceeds a limit of the agent or the collector; `metadata` has `limit`, `limit_value` and `owner`',
  },
  PORTS_EXHAUSTED: { status: Status.RESOURCE_EXHAUSTED, meaning: 'no port of the range is free' },
  PEER_NOT_ALLOWED: {
    status: Status.PERMISSION_DENIED,
    meaning: 'the address is not in a network that the agent may measure',
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
  RECORD_DAMAGED: {
    status: Status.DATA_LOSS,
    meaning: 'the stored record cannot be decoded; lists leave it out, and it stays in the store',
  },
  SCHEDULE_ACTIVE: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'a run of the schedule has not ended; cancel it or wait',
  },
  SCHEDULE_FIXED: {
    status: Status.FAILED_PRECONDITION,
    meaning: 'the schedule is from the config file or built in; change the file, or pause the schedule',
  },
  RUN_NOT_ACTIVE: { status: Status.FAILED_PRECONDITION, meaning: 'the run has ended' },
  TRAFFIC_NOT_ACTIVE: { status: Status.FAILED_PRECONDITION, meaning: 'the traffic has ended' },
} as const

export type ErrorReason = keyof typeof ERROR_CATALOGUE

/** One violated rule. `field` is the path in the request, such as `targets[2].address`; empty for the whole request. */
export type Violation = { field: string; description: string }

export type ErrorOptions = {
  violations?: readonly Violation[]
  /** Values for programs, as google.rpc.ErrorInfo.metadata. */
  metadata?: Readonly<Record<string, string>>
  /** When to try again, in seconds from now, as google.rpc.RetryInfo. */
  retrySeconds?: number | undefined
}

/** An error of the catalogue. `violations` lists every problem, not only the first. */
export class OperatingError extends Error {
  readonly reason: ErrorReason
  readonly violations: readonly Violation[]
  readonly metadata: Readonly<Record<string, string>>
  readonly retrySeconds: number | undefined

  constructor(
    reason: ErrorReason,
    message: string,
    { violations = [], metadata = {}, retrySeconds }: ErrorOptions = {},
  ) {
    super(message)
    this.name = 'OperatingError'
    this.reason = reason
    this.violations = violations
    this.metadata = metadata
    this.retrySeconds = retrySeconds
  }
}

/** A limit that a request exceeds: what is wrong, the name of the limit, and its value with a unit. */
export type ExceededLimit = { problem: string; limit: string; value: string | number }

/** LIMIT_EXCEEDED. The message and the metadata name each limit, its value and who enforces it. */
export const limitError = (owner: 'agent' | 'collector', ...exceeded: ExceededLimit[]): OperatingError => {
  const message = exceeded
    .map(({ problem, limit, value }) => `${problem} (limit of this ${owner}: ${limit} ${value})`)
    .join('; ')
  const metadata = {
    limit: exceeded.map(({ limit }) => limit).join(', '),
    limit_value: exceeded.map(({ value }) => value).join(', '),
    owner,
  }
  return new OperatingError('LIMIT_EXCEEDED', message, { metadata })
}

/** @throws OperatingError SPEC_INVALID with all violations, if there are any */
export const throwIfInvalid = (what: string, violations: readonly Violation[]): void => {
  if (violations.length === 0) return
  const list = violations
    .map(({ field, description }) => (field === '' ? description : `${field}: ${description}`))
    .join('; ')
  throw new OperatingError('SPEC_INVALID', `${what} is not valid: ${list}`, { violations })
}

/** Maximum length of an error in characters. Trailers may have 16 KiB in total, and contain the text about twice. */
const MAX_ERROR_LENGTH = 4096

const clip = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 3)}...`

/** The violations that fit into a trailer, and the number of omitted ones. */
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

/** The gRPC error for an operating error: a status code with google.rpc.ErrorInfo, BadRequest and RetryInfo. */
export const toServerError = (error: OperatingError): RichServerError => {
  const { reason, metadata, violations, retrySeconds } = error
  const details: ErrorDetails[] = [ErrorInfo.fromPartial({ reason, domain: 'meshgauge', metadata })]
  if (violations.length > 0) details.push(BadRequest.fromPartial({ fieldViolations: fitting(violations) }))
  if (retrySeconds !== undefined)
    details.push(RetryInfo.fromPartial({ retryDelay: toDuration(retrySeconds) }))
  const message = clip(error.message, MAX_ERROR_LENGTH)
  return new RichServerError(ERROR_CATALOGUE[reason].status, message, details)
}

/** Returns the error that the caller of an RPC gets for an OperatingError of the server. */
export const toClientError = (path: string, error: OperatingError): ClientError => {
  const { code, details, extra } = toServerError(error)
  return new RichClientError(path, code, details, extra)
}

/** The OperatingError that a peer sent, or undefined for other failures. */
export const fromClientError = (error: unknown): OperatingError | undefined => {
  if (!(error instanceof RichClientError)) return undefined
  const info = error.extra.find((detail): detail is ErrorInfo => detail.$type === ErrorInfo.$type)
  if (!info || !(info.reason in ERROR_CATALOGUE)) return undefined
  const bad = error.extra.find((detail): detail is BadRequest => detail.$type === BadRequest.$type)
  const retry = error.extra.find((detail): detail is RetryInfo => detail.$type === RetryInfo.$type)
  const violations = (bad?.fieldViolations ?? []).map(({ field, description }) => ({ field, description }))
  return new OperatingError(info.reason as ErrorReason, error.details, {
    violations,
    metadata: info.metadata,
    retrySeconds: fromDuration(retry?.retryDelay),
  })
}

/** The gRPC status of a failed call, on either side. */
export const statusOf = (error: unknown): Status => {
  if (error instanceof ServerError || error instanceof ClientError) return error.code
  return isAbortError(error) ? Status.CANCELLED : Status.UNKNOWN
}

/** The message of a failed call's status. */
export const statusDetailsOf = (error: unknown): string =>
  error instanceof ServerError || error instanceof ClientError ? error.details : String(error)

/** Describes any failure of a call in one line. */
export const describeCallError = (error: unknown): string => {
  if (error instanceof ClientError) {
    return error.code === Status.UNAVAILABLE
      ? shortenUnavailable(error.details)
      : `${Status[error.code]}: ${error.details}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** Extracts the error of the operating system from the long message of grpc-js. */
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
