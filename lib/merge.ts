/**
 * Merges async iterables; values are returned in the order of arrival. A source's next value is requested only after its
 * last one was consumed, so that at most one value per source is waiting.
 *
 * The first failure ends the merge. However it ends, it aborts `signal`, and the sources must then end soon.
 */
export async function* merge<T>(
  start: (signal: AbortSignal) => readonly AsyncIterable<T>[],
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const leaving = new AbortController()
  const iterators = start(AbortSignal.any([signal, leaving.signal])).map((source) =>
    source[Symbol.asyncIterator](),
  )
  let ready: { index: number; value: T }[] = []
  let active = iterators.length
  let failure: { error: unknown } | undefined
  let wake: (() => void) | undefined
  const pull = async (index: number): Promise<void> => {
    try {
      const next = await iterators[index]!.next()
      if (next.done) active--
      else ready.push({ index, value: next.value })
    } catch (error) {
      failure ??= { error }
    }
    wake?.()
  }
  try {
    for (let index = 0; index < iterators.length; index++) void pull(index)
    for (;;) {
      const batch = ready
      ready = []
      for (const { index, value } of batch) {
        yield value
        void pull(index)
      }
      signal.throwIfAborted()
      if (failure) throw failure.error
      if (ready.length > 0) continue
      if (active === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      wake = resolve
      await promise
    }
  } finally {
    leaving.abort()
    await Promise.allSettled(iterators.map((iterator) => iterator.return?.()))
  }
}
