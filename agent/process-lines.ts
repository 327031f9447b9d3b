/** Splits the output of a program into lines, for any chunks, and limits the cost of a program that writes too much. */

export type OutputLine = { stream: 'stdout' | 'stderr'; text: string }

export type OutputLimits = {
  /** Maximum length of a line. */
  maxLineBytes: number
  /** Maximum number of bytes in lines that are not read yet. */
  maxUnreadBytes: number
  /** Maximum size of a burst, replenished by bytesPerSecond. With a rate of 0 it is the maximum in total. */
  burstBytes: number
  /** Maximum sustained rate. */
  bytesPerSecond: number
}

/** Generous for all programs of an agent (1,000 fping targets each second write 80 kB/s), with little memory. */
export const DEFAULT_LIMITS: OutputLimits = {
  maxLineBytes: 64 * 1024,
  maxUnreadBytes: 8 * 1024 * 1024,
  burstBytes: 8 * 1024 * 1024,
  bytesPerSecond: 4 * 1024 * 1024,
}

/** Longest time for which one reader of lines keeps everything else waiting, such as the end of its own stream. */
const MAX_TURN_SECONDS = 0.01

const STDERR_TAIL_BYTES = 4096
const NEWLINE = 0x0a

/** Joins bytes before it decodes them, so that no character is cut in two. */
export const createSplitter = () => {
  let partial: Buffer[] = []
  let partialBytes = 0
  const take = (rest: Buffer): string => {
    const line = Buffer.concat([...partial, rest]).toString('utf8')
    partial = []
    partialBytes = 0
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }
  return {
    push: (chunk: Buffer): string[] => {
      const lines: string[] = []
      let start = 0
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        lines.push(take(chunk.subarray(start, end)))
        start = end + 1
      }
      if (start < chunk.length) partial.push(chunk.subarray(start))
      partialBytes += chunk.length - start
      return lines
    },
    /** Bytes of the incomplete line. */
    partialBytes: (): number => partialBytes,
    /** Returns the last line when it has no newline. */
    end: (): string[] => (partial.length > 0 ? [take(Buffer.alloc(0))] : []),
  }
}

type LinesOptions = {
  limits: OutputLimits
  monotonicSeconds: () => number
  /** Resolves after everything else that is due. A reader of many lines must not delay the rest of the agent. */
  yieldTurn: () => Promise<void>
  /** Called once with the reason when a limit is exceeded. Later output is dropped. */
  onFlood: (reason: string) => void
}

/** The lines of one program as an async iterable for one reader, which reads at its own pace. */
export const createLines = ({ limits, monotonicSeconds, yieldTurn, onFlood }: LinesOptions) => {
  const splitters = { stdout: createSplitter(), stderr: createSplitter() }
  let unread: OutputLine[] = []
  let unreadBytes = 0
  let stderrTail = ''
  let allowance = limits.burstBytes
  let refilledAt = monotonicSeconds()
  let flooded = false
  let ended = false
  let wake: (() => void) | undefined

  const flood = (reason: string) => {
    flooded = true
    onFlood(reason)
  }
  const add = (stream: OutputLine['stream'], lines: string[]) => {
    for (const text of lines) {
      unread.push({ stream, text })
      unreadBytes += text.length
      if (stream === 'stderr') stderrTail = `${stderrTail}${text}\n`.slice(-STDERR_TAIL_BYTES)
    }
    if (lines.length > 0) wake?.()
  }
  const spend = (bytes: number) => {
    const now = monotonicSeconds()
    allowance = Math.min(limits.burstBytes, allowance + (now - refilledAt) * limits.bytesPerSecond) - bytes
    refilledAt = now
    return allowance >= 0
  }

  return {
    push: (stream: OutputLine['stream'], chunk: Buffer): void => {
      if (flooded) return
      const lines = splitters[stream].push(chunk)
      const isLong = splitters[stream].partialBytes() > limits.maxLineBytes
      if (isLong || lines.some((line) => line.length > limits.maxLineBytes)) {
        flood(`it wrote a line of over ${limits.maxLineBytes} bytes`)
      } else if (!spend(chunk.length)) {
        flood('it wrote more than its limit allows')
      } else if (unreadBytes + chunk.length > limits.maxUnreadBytes) {
        flood('it wrote faster than its output could be read')
      } else {
        add(stream, lines)
      }
    },
    end: (): void => {
      if (ended) return
      if (!flooded) for (const stream of ['stdout', 'stderr'] as const) add(stream, splitters[stream].end())
      ended = true
      wake?.()
    },
    stderrTail: (): string => stderrTail.trimEnd(),
    async *[Symbol.asyncIterator](): AsyncGenerator<OutputLine, void> {
      let turnAt = monotonicSeconds()
      for (;;) {
        const batch = unread
        unread = []
        for (const line of batch) {
          unreadBytes -= line.text.length
          yield line
          const now = monotonicSeconds()
          if (now - turnAt < MAX_TURN_SECONDS) continue
          await yieldTurn()
          turnAt = monotonicSeconds()
        }
        if (unread.length > 0) continue
        if (ended) return
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
        turnAt = monotonicSeconds()
      }
    },
  }
}
