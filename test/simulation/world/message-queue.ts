/** Messages on their way to one reader. Ends or fails once; what was pushed before is still read. */
export const createMessageQueue = <T>(onTaken: () => void = () => undefined) => {
  let messages: T[] = []
  let end: { error: unknown } | 'ended' | undefined
  let wake: (() => void) | undefined
  const wakeReader = () => {
    wake?.()
    wake = undefined
  }
  const finish = (how: NonNullable<typeof end>) => {
    end ??= how
    wakeReader()
  }
  return {
    push: (message: T): void => {
      if (end) return
      messages.push(message)
      wakeReader()
    },
    end: (): void => finish('ended'),
    /** @param isAtOnce drops what was not read yet, as a cancelled call does */
    fail: (error: unknown, isAtOnce = false): void => {
      if (isAtOnce) messages = []
      finish({ error })
    },
    size: (): number => messages.length,
    next: async (): Promise<IteratorResult<T, undefined>> => {
      for (;;) {
        if (messages.length > 0) {
          const value = messages.shift()!
          onTaken()
          return { done: false, value }
        }
        if (end === 'ended') return { done: true, value: undefined }
        if (end) throw end.error
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

export type MessageQueue<T> = ReturnType<typeof createMessageQueue<T>>
