/**
 * Decodes requests so that bad input is an operating error with the field. When decoding fails, grpc-js answers INTERNAL
 * before any middleware is called. So the decoders here never fail: they return the problems, and a middleware throws
 * them.
 */

import { readFileSync } from 'node:fs'
import type { CompatServiceDefinition, ServerMiddleware } from 'nice-grpc'
import { throwIfInvalid, type Violation } from '../errors.ts'
import { checkMessage } from './request-decoding/check-message.ts'
import { type MessageTypes, readMessageTypes } from './request-decoding/message-types.ts'

/** What a decoder returns for a request with problems. */
class InvalidRequest {
  readonly violations: readonly Violation[]

  constructor(violations: readonly Violation[]) {
    this.violations = violations
  }
}

type Decode = (bytes: Uint8Array) => unknown

const checked = (types: MessageTypes, path: string, decode: Decode): Decode => {
  const type = types.requests.get(path)
  return (bytes) => {
    const violations = type === undefined ? [] : checkMessage(types, type, bytes)
    if (violations.length > 0) return new InvalidRequest(violations)
    try {
      return decode(bytes)
    } catch {
      // Only for services without descriptors, such as reflection.
      return new InvalidRequest([{ field: '', description: 'is not a valid protobuf message' }])
    }
  }
}

type Generated = {
  fullName: string
  methods: Record<string, { name: string; requestType: { decode: Decode } }>
}
type Generic = Record<string, { path: string; requestDeserialize: Decode }>

const mapValues = <V, R>(record: Record<string, V>, change: (value: V) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))

/**
 * Returns a function that replaces the request decoders of a service definition, of ts-proto or of grpc-js.
 * @param descriptors location of the google.protobuf.FileDescriptorSet of the services
 */
export const createRequestDecoding = (descriptors: URL) => {
  const types = readMessageTypes(readFileSync(descriptors))
  return (definition: CompatServiceDefinition): CompatServiceDefinition => {
    if (!('methods' in definition)) {
      const changed = mapValues(definition as unknown as Generic, (method) => ({
        ...method,
        requestDeserialize: checked(types, method.path, method.requestDeserialize),
      }))
      return changed as unknown as CompatServiceDefinition
    }
    const { fullName, methods } = definition as unknown as Generated
    const changed = mapValues(methods, (method) => {
      const decode = checked(types, `/${fullName}/${method.name}`, method.requestType.decode)
      return { ...method, requestType: { ...method.requestType, decode } }
    })
    return { ...definition, methods: changed } as unknown as CompatServiceDefinition
  }
}

const valid = <T>(request: T): T => {
  if (request instanceof InvalidRequest) throwIfInvalid('the request', request.violations)
  return request
}

async function* validStream<T>(requests: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const request of requests) yield valid(request)
}

/** Throws the problems that the decoders found. @throws OperatingError SPEC_INVALID */
export const requestDecodingMiddleware: ServerMiddleware = async function* (call, context) {
  if (call.requestStream) return yield* call.next(validStream(call.request), context)
  return yield* call.next(valid(call.request), context)
}
