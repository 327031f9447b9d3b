/** The first calls to all agents of a fleet: a few at a time, so that the collector can do other work. */

import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Timing } from './monitored-node.ts'
import type { FleetNode } from './node.ts'

/** Time between two reports of how many agents were asked. */
const PROGRESS_SECONDS = 2
/** Agents that are asked for the first time at the same moment, and the pause before the next ones, for other work. */
const FIRST_AT_ONCE = 100
const FIRST_PAUSE_SECONDS = 0.05

/** Multiples of it, modulo 1, are evenly spread for any count. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

/** Gives turns to the first calls of nodes that are added together: FIRST_AT_ONCE at once, then the next ones. */
export const createTurns = (clock: Clock, signal: AbortSignal) => {
  let immediate = FIRST_AT_ONCE
  let phase = 0
  let waiting: (() => void)[] = []
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      await clock.sleep(FIRST_PAUSE_SECONDS, signal).catch(() => undefined)
      const batch = signal.aborted ? waiting.length : FIRST_AT_ONCE
      for (const resolve of waiting.slice(0, batch)) resolve()
      waiting = waiting.slice(batch)
    }
    immediate = FIRST_AT_ONCE
  }
  const nextTurn = (): Promise<void> | undefined => {
    if (immediate > 0) {
      immediate--
      return undefined
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push(resolve)
    if (waiting.length === 1) void run()
    return promise
  }
  return {
    next: (): Timing => {
      phase = (phase + GOLDEN_RATIO) % 1
      return { phase, turn: nextTurn() }
    },
  }
}

/** Logs how many agents have been asked, until all are, or the signal aborts. */
export const reportFirstCalls = async (
  { clock, logger }: { clock: Clock; logger: Pick<Logger, 'info'> },
  nodes: () => FleetNode[],
  settled: Promise<void>,
  stop: AbortSignal,
): Promise<void> => {
  const done = new AbortController()
  void settled.then(() => done.abort())
  const signal = AbortSignal.any([stop, done.signal])
  while (!signal.aborted) {
    await clock.sleep(PROGRESS_SECONDS, signal).catch(() => undefined)
    if (signal.aborted) return
    const now = nodes()
    const asked = now.filter(({ state }) => state !== 'unspecified').length
    logger.info({ asked, nodes: now.length }, 'asking the agents')
  }
}
