/** Requests with an id create their resource once, however often they are sent (https://google.aip.dev/155). */

import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'

/** As the protocol says. */
const MAX_LENGTH = 64

/** A Create or Start request. `content` is all of it except its id, as a text that is equal for equal requests. */
export type IdentifiedRequest = { requestId: string; content: string }

type Known<R> = { resource: R; content: string }

/** @throws OperatingError SPEC_INVALID */
const checkRequestId = (requestId: string): void =>
  throwIfInvalid(
    'the request',
    requestId.length <= MAX_LENGTH
      ? []
      : [{ field: 'request_id', description: `has ${requestId.length} characters; at most ${MAX_LENGTH}` }],
  )

/**
 * Returns a function that creates a resource, or returns the resource of an earlier request with the same id. Requests
 * that arrive while the first one is in progress wait for it. A request that failed can be sent again.
 * @param find the resource that a request with this id created, and the content of that request
 */
export const createOnce = <R>(find: (requestId: string) => Known<R> | undefined) => {
  const inProgress = new Map<string, { content: string; created: Promise<R> }>()

  /** @throws OperatingError SPEC_INVALID, REQUEST_ID_REUSED, and whatever `create` throws */
  return async ({ requestId, content }: IdentifiedRequest, create: () => Promise<R>): Promise<R> => {
    if (requestId === '') return create()
    checkRequestId(requestId)
    const current = inProgress.get(requestId)
    const known = current ?? find(requestId)
    if (known && known.content !== content)
      throw new OperatingError(
        'REQUEST_ID_REUSED',
        `request_id "${requestId}" belongs to an earlier request with other content; use a new id`,
        [{ field: 'request_id', description: 'belongs to an earlier request with other content' }],
      )
    if (current) return current.created
    if (known) return (known as Known<R>).resource
    const created = create()
    inProgress.set(requestId, { content, created })
    try {
      return await created
    } finally {
      inProgress.delete(requestId)
    }
  }
}
