import type { IperfSample, ServeRequest, ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { claimsOf } from '../admission.ts'
import { EngineError, type IperfEngine, type IperfServer } from '../engines/engine.ts'
import type { AgentOptions } from '../options.ts'
import type { CallerContext, IperfDeps as Deps } from './iperf-end.ts'
import { admitListeners, leaseAndStart, type Opened } from './iperf-serve.ts'
import { type Attempt, createNews, type End, FIRST_PAUSE_SECONDS, keepUp } from './keep-up.ts'
import { stillRunning } from './still-running.ts'

/** News wait at most this long, so that a hundred servers cost one message a second. */
const FLUSH_SECONDS = 1
/** A server without a client is renewed after so long: no program of ours lives without a bound. */
const IDLE_SECONDS = 600
/** Servers that are about to listen at the same moment: enough to fill the wait for each, few for the machine. */
const STARTING_AT_ONCE = 4

export const violationsOf = (engine: IperfEngine, intervalSeconds: number) => [
  ...(engine.keepUp
    ? []
    : [{ field: 'sustained', description: `engine ${engine.name} cannot keep a flow up` }]),
  ...(intervalSeconds >= 1 && intervalSeconds <= 60
    ? []
    : [{ field: 'interval', description: 'must be 1 to 60 s where a flow is kept up' }]),
]

type Listening = { server: IperfServer; port: number }
type Watch = { intervalSeconds: number; onSample(sample: IperfSample): void }

const endOf = async ({ ready, done }: IperfServer, port: number, runs: () => void): Promise<End> => {
  const problem = await ready.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (problem === undefined) runs()
  const { outcome, reason } = await done
  if (problem instanceof EngineError && problem.kind === 'address-in-use') {
    return { planned: false, reason: `another program has taken port ${port}: ${reason}` }
  }
  return { planned: outcome === Outcome.OUTCOME_MEASURED || outcome === Outcome.OUTCOME_TIMED_OUT, reason }
}

/** Listens for each listener until the caller's stream ends; servers that end are started again on their ports. */
export async function* serveSustained(
  deps: Deps,
  options: AgentOptions,
  request: ServeRequest,
  context: CallerContext,
): AsyncGenerator<ServeResponse> {
  const stream = deps.draining.track(context.signal)
  const opened: Opened = { servers: [], ports: [] }
  const stop = new AbortController()
  const signal = AbortSignal.any([stream.signal, stop.signal])
  const undo: (() => void)[] = []
  let ended: Promise<unknown> = Promise.resolve()
  try {
    deps.draining.throwIfDraining()
    const { engine, version } = await deps.engines.iperf(request.engine, stream.signal)
    const ends = admitListeners(deps, options, engine, request)
    const intervalSeconds = fromDuration(request.interval) ?? 1
    throwIfInvalid('the serve request', violationsOf(engine, intervalSeconds))
    const interfaces = ends.map((end) => end.interface)
    const claims = claimsOf('server', request.direction, interfaces)
    undo.push(
      deps.admission.claim(claims, request.admission, context.peer),
      deps.sustained.hold(request.label),
    )
    const start = (index: number, port: number, watch: Watch, aborted: AbortSignal): IperfServer =>
      engine.serve(
        {
          ...ends[index]!,
          port,
          cpu: request.cpu,
          idleSeconds: IDLE_SECONDS,
          durationSeconds: options.maxDurationSeconds,
          watch,
        },
        aborted,
      )
    const news = createNews()
    const listen = async (index: number): Promise<Listening & { keep: () => Promise<never> }> => {
      await deps.sustained.turn(signal)
      const first = Promise.withResolvers<Parameters<Attempt>[0]>()
      const stopFirst = new AbortController()
      const watch = {
        intervalSeconds,
        // A sample comes an interval after its client, which comes after Started.
        onSample: (sample: IperfSample) => void first.promise.then((tell) => tell.sample(sample)),
      }
      const aborted = AbortSignal.any([signal, stopFirst.signal])
      const begin = (port: number) => start(index, port, watch, aborted)
      const asked = request.listeners[index]!.port
      const { server, port } = await leaseAndStart(deps, engine, request, asked, opened, begin)
      let renewed = false
      const attempt: Attempt = async (tell, until) => {
        if (!renewed) {
          renewed = true
          first.resolve(tell)
          until.addEventListener('abort', () => stopFirst.abort(), { once: true })
          return endOf(server, port, () => undefined)
        }
        await deps.sustained.turn(until)
        const next = start(index, port, { intervalSeconds, onSample: tell.sample }, until)
        return endOf(next, port, tell.runs)
      }
      const keep = () =>
        keepUp(
          deps,
          {
            attempt,
            flowIndex: index,
            intervalSeconds,
            onSample: news.sample,
            onChange: news.change,
            firstPauseSeconds: FIRST_PAUSE_SECONDS.server,
          },
          signal,
        )
      return { server, port, keep }
    }
    const listening = await inTurns(ends.length, STARTING_AT_ONCE, listen)
    yield {
      event: {
        $case: 'started',
        value: {
          engine: version,
          listeners: listening.map(({ port }, index) => ({ address: ends[index]!.address, port })),
        },
      },
    }
    const keeping = listening.map(({ keep }) => keep())
    ended = Promise.allSettled(keeping)
    const work = Promise.race(keeping)
    while (await stillRunning(work, FLUSH_SECONDS, deps.clock, signal)) {
      const { samples, changes } = news.take()
      if (changes.length > 0) yield { event: { $case: 'changes', value: { changes } } }
      if (samples.length > 0) yield { event: { $case: 'samples', value: { samples } } }
    }
  } finally {
    stop.abort()
    await ended
    await Promise.all(opened.servers.map((server) => server.done))
    for (const { port, width } of opened.ports) deps.ports.release(port, width)
    for (const release of undo) release()
    stream.end()
  }
}

/** Does so many things, a few at a time, and gives their results in order. */
const inTurns = async <T>(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<T>,
): Promise<T[]> => {
  const results: T[] = []
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < count && !failed) {
      const index = next++
      results[index] = await work(index).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
  return results
}
