type Reader<T> = { resolve(result: IteratorResult<T, undefined>): void; reject(error: unknown): void }

type QueueListeners = {
  /** The reader has taken a message. */
  onTaken?: () => void
  /** The reader has learned of the end. */
  onEnd?: () => void
}

/** Messages on their way to one reader. Ends or fails once; what was pushed before is still read. */
export const createMessageQueue = <T>({ onTaken, onEnd }: QueueListeners = {}) => {
  let messages: T[] = []
  let end: { error: unknown } | 'ended' | undefined
  let reader: Reader<T> | undefined
  const answer = (to: Reader<T>): boolean => {
    if (messages.length > 0) {
      const value = messages.shift()!
      onTaken?.()
      to.resolve({ done: false, value })
      return true
    }
    if (!end) return false
    if (end === 'ended') to.resolve({ done: true, value: undefined })
    else to.reject(end.error)
    onEnd?.()
    return true
  }
  const wakeReader = () => {
    const waiting = reader
    reader = undefined
    if (waiting && !answer(waiting)) reader = waiting
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
    /** Reads one message. A reader waits for it before it reads the next one. */
    next: (): Promise<IteratorResult<T, undefined>> =>
      new Promise((resolve, reject) => {
        const next = { resolve, reject }
        if (!answer(next)) reader = next
      }),
  }
}

export type MessageQueue<T> = ReturnType<typeof createMessageQueue<T>>
