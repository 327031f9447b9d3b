import { isAbortError } from 'abort-controller-x'
import { ClientError, type ClientMiddleware, ServerError, type ServerMiddleware, Status } from 'nice-grpc'

/** Is told of calls as they begin and end. `method` is `package.Service/Method`, `code` such as deadline_exceeded. */
export type CallObserver = {
  onStart(method: string): void
  onEnd(method: string, code: string): void
}

const codeOf = (error: unknown): Status => {
  if (error instanceof ServerError || error instanceof ClientError) return error.code
  return isAbortError(error) ? Status.CANCELLED : Status.UNKNOWN
}

async function* counted<T>(
  observer: CallObserver,
  path: string,
  inner: AsyncGenerator<T, T | void, undefined>,
): AsyncGenerator<T, T | void, undefined> {
  const method = path.slice(1)
  // Also for whoever stops reading a stream once it has what it wanted: that is neither a result nor an error.
  let code = Status.OK
  observer.onStart(method)
  try {
    return yield* inner
  } catch (error) {
    code = codeOf(error)
    throw error
  } finally {
    observer.onEnd(method, Status[code].toLowerCase())
  }
}

export const countingServerMiddleware =
  (observer: CallObserver): ServerMiddleware =>
  (call, context) =>
    counted(observer, call.method.path, call.next(call.request, context))

export const countingClientMiddleware =
  (observer: CallObserver): ClientMiddleware =>
  (call, options) =>
    counted(observer, call.method.path, call.next(call.request, options))
