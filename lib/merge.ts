/**
 * Many async iterables as one, each value as soon as it is there. A source is asked for its next value only once the
 * last one has been taken, so that a slow reader costs one waiting value for each source and no more.
 *
 * The first failure ends all; the sources must end by themselves soon after `signal` aborts, which happens however the
 * merge ends.
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
