import { randomUUID } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { ClientError, fromClientError, Status } from '../../lib/errors.ts'

/** Pauses before the call is sent again. Together they last as long as a restart of the collector. */
const RETRY_SECONDS = [0.5, 1, 2, 4]

/** Whether the connection was lost, as opposed to an error that the collector sent. */
const isUnavailable = (error: unknown): error is ClientError =>
  error instanceof ClientError && error.code === Status.UNAVAILABLE && !fromClientError(error)

/** Whether there was no connection, so that the collector has certainly not received the request. */
const isUnreachable = ({ details }: ClientError): boolean => details.startsWith('No connection established')

/**
 * Calls a Create or Start RPC with a new request id. When the connection is lost during the call, the same request is
 * sent again: the collector creates the resource once.
 */
export const createIdempotently = async <T>(
  clock: Clock,
  call: (requestId: string) => Promise<T>,
): Promise<T> => {
  const requestId = randomUUID()
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(requestId)
    } catch (error) {
      const pause = RETRY_SECONDS[attempt]
      if (pause === undefined || !isUnavailable(error)) throw error
      if (attempt === 0 && isUnreachable(error)) throw error
      await clock.sleep(pause)
    }
  }
}
