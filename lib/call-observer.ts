import { Status, statusOf } from './errors.ts'

/** Receives the start and end of calls. `method` is `package.Service/Method`, `code` such as deadline_exceeded. */
export type CallObserver = {
  onStart(method: string): void
  onEnd(method: string, code: string): void
}

/** Runs a call and reports its start and end to the observer. Used by the middlewares of servers and clients. */
export async function* observeCall<T>(
  observer: CallObserver,
  path: string,
  inner: AsyncGenerator<T, T | void, undefined>,
): AsyncGenerator<T, T | void, undefined> {
  const method = path.slice(1)
  // A consumer that stops reading a stream ends it without a result or an error: that is OK.
  let code: Status = Status.OK
  observer.onStart(method)
  try {
    return yield* inner
  } catch (error) {
    code = statusOf(error)
    throw error
  } finally {
    observer.onEnd(method, Status[code].toLowerCase())
  }
}
