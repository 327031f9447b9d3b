/**
 * The last line of defence against leaks: one small shell for each agent that holds the read end of a pipe. When the
 * agent is gone, even by kill -9, the pipe ends and the shell kills every process group that was still registered.
 */

import type { Logger } from 'pino'
import type { Clock } from '../lib/clock.ts'

/**
 * POSIX sh. It ignores the signals that a service manager or a terminal sends to everything at once: it must outlive
 * the agent, and ends by itself with the pipe.
 */
export const GUARD_SCRIPT = `trap '' HUP INT QUIT TERM
groups=
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

/** A guard that was started: where to write to it, and when it is gone. */
export type GuardProcess = {
  write(text: string): void
  end(): void
  readonly gone: Promise<void>
}

type GuardOptions = { start: () => GuardProcess; clock: Clock; logger: Pick<Logger, 'warn'> }

/** A guard that dies sooner than this after its start is started again only after this long. */
const RESTART_SECONDS = 1

export const createGuard = ({ start, clock, logger }: GuardOptions) => {
  const groups = new Set<number>()
  const closing = new AbortController()
  let guard: GuardProcess | undefined

  const launch = () => {
    const started = start()
    const startedAt = clock.monotonicSeconds()
    guard = started
    for (const group of groups) started.write(`+ ${group}\n`)
    void started.gone.then(async () => {
      if (closing.signal.aborted) return
      guard = undefined
      logger.warn('the process guard is gone; starting it again')
      const lived = clock.monotonicSeconds() - startedAt
      if (lived < RESTART_SECONDS) {
        const waited = clock.sleep(RESTART_SECONDS, closing.signal)
        if (
          !(await waited.then(
            () => true,
            () => false,
          ))
        )
          return
      }
      if (!guard) launch()
    })
  }

  return {
    /** Kill this group when the agent dies. */
    add: (group: number): void => {
      groups.add(group)
      if (guard) guard.write(`+ ${group}\n`)
      else launch()
    },
    remove: (group: number): void => {
      if (groups.delete(group)) guard?.write(`- ${group}\n`)
    },
    /** Ends the guard; what is still registered is killed by it. */
    close: async (): Promise<void> => {
      closing.abort()
      guard?.end()
      await guard?.gone
    },
  }
}
