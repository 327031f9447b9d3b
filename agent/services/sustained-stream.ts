import type { FlowChanges, IperfSamples } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Violation } from '../../lib/errors.ts'
import type { IperfEngine } from '../engines/engine.ts'
import { follow } from './follow.ts'
import type { CallerContext, IperfDeps as Deps } from './iperf-end.ts'
import { createNews } from './keep-up.ts'

/** News wait at most this long, so that a hundred programs cost one message a second. */
const FLUSH_SECONDS = 1

/** What one stream holds as long as it lives. */
export type Lease = {
  /** Aborted when the stream ends, for whatever reason. */
  signal: AbortSignal
  news: ReturnType<typeof createNews>
  /** Done in reverse order after that; whoever starts something says here how to wait for its end. */
  undo: (() => unknown)[]
}

type News =
  | { event: { $case: 'changes'; value: FlowChanges } }
  | { event: { $case: 'samples'; value: IperfSamples } }

/** A stream of flows that are kept up: what `begin` says first, then news of them until the end. */
export async function* sustainedStream<Started>(
  deps: Pick<Deps, 'clock' | 'draining'>,
  context: CallerContext,
  begin: (lease: Lease) => Promise<{
    started: Started
    /** Resolves when the stream has gone on as long as it was to; rejects when it cannot go on. */
    over: Promise<unknown>
  }>,
): AsyncGenerator<Started | News> {
  const stream = deps.draining.track(context.signal)
  const stop = new AbortController()
  const news = createNews()
  const lease: Lease = { signal: AbortSignal.any([stream.signal, stop.signal]), news, undo: [] }
  try {
    deps.draining.throwIfDraining()
    const { started, over } = await begin(lease)
    // A caller that leaves at once waits for nothing any more; that must not end the agent.
    over.catch(() => undefined)
    yield started
    const isRunning = follow(over, deps.clock, lease.signal)
    for (let running = true; running; ) {
      running = await isRunning(FLUSH_SECONDS)
      const { samples, changes } = news.take()
      if (changes.length > 0) yield { event: { $case: 'changes', value: { changes } } }
      if (samples.length > 0) yield { event: { $case: 'samples', value: { samples } } }
    }
  } finally {
    stop.abort()
    for (const undo of lease.undo.reverse()) await undo()
    stream.end()
  }
}

export const sustainedViolations = (engine: IperfEngine, intervalSeconds: number): Violation[] => [
  ...(engine.keepUp
    ? []
    : [{ field: 'sustained', description: `engine ${engine.name} cannot keep a flow up` }]),
  ...(intervalSeconds >= 1 && intervalSeconds <= 60
    ? []
    : [{ field: 'interval', description: 'must be 1 to 60 s where a flow is kept up' }]),
]
