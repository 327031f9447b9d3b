/**
 * The process guard ends the agent's programs when the agent dies, even by kill -9. It is one small shell that holds
 * the read end of a pipe. When the agent dies, the pipe ends, and the shell kills every process group that is still
 * registered.
 */

import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'

/**
 * The shell that becomes the guard. It first ignores the signals that a service manager or a terminal sends to all
 * processes at once, then reads the groups that already run. Ignored signals stay ignored across exec, so the guard
 * itself is immune and complete from its first instruction. Its script comes in the environment variable GUARD_SCRIPT.
 */
export const GUARD_LAUNCHER = `trap '' HUP INT QUIT TERM
read -r groups && exec sh -c "$GUARD_SCRIPT" guard $groups`

/** POSIX sh. Arguments: the groups that already run. Confirms with one line, then reads `+ group` and `- group`. */
export const GUARD_SCRIPT = `groups=$*
echo ready
while read -r operation group; do
  case $operation in
    +) groups="$groups $group" ;;
    -)
      rest=
      for other in $groups; do [ "$other" = "$group" ] || rest="$rest $other"; done
      groups=$rest
      ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
`

/** A guard process that was started. */
export type GuardProcess = {
  write(text: string): void
  end(): void
  /** Resolves when the guard confirms that it runs; never rejects. */
  readonly confirmed: Promise<void>
  /** Resolves when the guard has ended; never rejects. */
  readonly ended: Promise<void>
}

type GuardOptions = { start: () => GuardProcess; clock: Clock; logger: Pick<Logger, 'warn'> }

/** A guard that dies within this time after its start is restarted only after this time. */
const RESTART_SECONDS = 1

const createConfirmation = () => {
  const confirmation = Promise.withResolvers<void>()
  // It rejects also when no program waits for it.
  confirmation.promise.catch(() => undefined)
  return confirmation
}

export const createGuard = ({ start, clock, logger }: GuardOptions) => {
  const groups = new Set<number>()
  const closing = new AbortController()
  let guard: GuardProcess | undefined
  let confirmation = createConfirmation()
  let isLaunched = false

  const restartLater = async (startedAt: number): Promise<void> => {
    const pause = clock.monotonicSeconds() - startedAt < RESTART_SECONDS ? RESTART_SECONDS : 0
    const isTime = await clock.sleep(pause, closing.signal).then(
      () => true,
      () => false,
    )
    if (isTime) launch()
  }

  const launch = () => {
    isLaunched = true
    const started = start()
    const startedAt = clock.monotonicSeconds()
    const confirmed = confirmation
    guard = started
    started.write(`${[...groups].join(' ')}\n`)
    void started.confirmed.then(() => confirmed.resolve())
    void started.ended.then(() => {
      if (closing.signal.aborted) return
      guard = undefined
      confirmed.reject(new Error('the process guard ended before it was ready'))
      confirmation = createConfirmation()
      logger.warn('the process guard has ended; starting it again')
      void restartLater(startedAt)
    })
  }

  return {
    /**
     * Resolves when a guard runs; the first call starts it. No program may start before that.
     * @throws Error when the guard ends before it is ready, or is closed
     */
    ready: (): Promise<void> => {
      if (!isLaunched) launch()
      return confirmation.promise
    },
    /** Registers a process group: the guard kills it when the agent dies. */
    add: (group: number): void => {
      groups.add(group)
      guard?.write(`+ ${group}\n`)
    },
    remove: (group: number): void => {
      if (groups.delete(group)) guard?.write(`- ${group}\n`)
    },
    /** Ends the guard, which kills the groups that are still registered. */
    close: async (): Promise<void> => {
      closing.abort()
      confirmation.reject(new Error('the process guard is closed'))
      guard?.end()
      await guard?.ended
    },
  }
}
