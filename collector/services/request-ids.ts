/** Requests with a request_id create their resource once, however often they are sent (https://google.aip.dev/155). */

import type { BinaryWriter } from '@bufbuild/protobuf/wire'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'

/** As the protocol says. */
const MAX_LENGTH = 64

type Encoding<T> = { encode(message: T): BinaryWriter }

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.from(one).equals(other)

/** Whether two messages of a type without maps are equal. */
export const sameMessage = <T>({ encode }: Encoding<T>, one: T, other: T): boolean =>
  sameBytes(encode(one).finish(), encode(other).finish())

/** A Create or Start request. */
type CreateRequest<R> = {
  /** Its encoded content without the request_id. */
  content: Uint8Array
  /** Whether an existing resource was created from the same content. */
  isFrom: (resource: R) => boolean
  create: () => Promise<R>
}

/** @throws OperatingError SPEC_INVALID */
const checkRequestId = (requestId: string): void =>
  throwIfInvalid(
    'the request',
    requestId.length <= MAX_LENGTH
      ? []
      : [
          {
            field: 'request_id',
            description: `has ${requestId.length} characters; the maximum is ${MAX_LENGTH}`,
          },
        ],
  )

/** ALREADY_EXISTS, because the same request with a new id is valid. AIP-155 leaves this case open. */
const reused = (requestId: string): OperatingError =>
  new OperatingError(
    'REQUEST_ID_REUSED',
    `request_id "${requestId}" belongs to an earlier request with other content; use a new id`,
  )

/**
 * Returns a function that creates a resource, or returns the resource of an earlier request with the same id. Requests
 * that arrive while the first one is in progress wait for it. A request that failed can be sent again.
 * @param find the resource that the request with this id created
 */
export const createIdempotency = <R>(find: (requestId: string) => R | undefined | Promise<R | undefined>) => {
  const inProgress = new Map<string, { content: Uint8Array; created: Promise<R> }>()

  const findOrCreate = async (
    requestId: string,
    isFrom: (resource: R) => boolean,
    create: () => Promise<R>,
  ): Promise<R> => {
    const existing = await find(requestId)
    if (existing === undefined) return create()
    if (!isFrom(existing)) throw reused(requestId)
    return existing
  }

  /** @throws OperatingError SPEC_INVALID, REQUEST_ID_REUSED, and what `create` throws */
  return async (requestId: string, { content, isFrom, create }: CreateRequest<R>): Promise<R> => {
    if (requestId === '') return create()
    checkRequestId(requestId)
    const current = inProgress.get(requestId)
    if (current) {
      if (!sameBytes(current.content, content)) throw reused(requestId)
      return current.created
    }
    const created = findOrCreate(requestId, isFrom, create)
    inProgress.set(requestId, { content, created })
    try {
      return await created
    } finally {
      inProgress.delete(requestId)
    }
  }
}
