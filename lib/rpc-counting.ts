import { Status, statusOf } from './errors.ts'

/** Observes calls as they begin and end. `method` is `package.Service/Method`, `code` such as deadline_exceeded. */
export type CallObserver = {
  onStart(method: string): void
  onEnd(method: string, code: string): void
}

/** A call's steps, with its begin and end reported to the observer. For middlewares of servers and of clients. */
export async function* countCall<T>(
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
