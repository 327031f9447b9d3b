import type { IperfSample, ServeRequest, ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../lib/test-defaults.ts'
import { claimsOf } from '../admission.ts'
import { EngineError, type IperfEngine, type IperfServer } from '../engines/engine.ts'
import type { AgentOptions } from '../options.ts'
import type { CallerContext, IperfDeps as Deps } from './iperf-end.ts'
import { admitListeners, leaseAndStart, type Opened } from './iperf-serve.ts'
import { type Attempt, type End, FIRST_PAUSE_SECONDS, keepUp } from './keep-up.ts'
import { type Lease, sustainedStream, sustainedViolations } from './sustained-stream.ts'

/** A server without a client is renewed after so long: no program of ours lives without a bound. */
const IDLE_SECONDS = 600
/** Servers that are about to listen at the same moment: enough to fill the wait for each, few for the machine. */
const STARTING_AT_ONCE = 4

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

type Serving = {
  deps: Deps
  engine: IperfEngine
  request: ServeRequest
  ends: { interface: string; address: string }[]
  intervalSeconds: number
  maxSeconds: number
  opened: Opened
  lease: Lease
}

type OnSample = (sample: IperfSample) => void

const startServer = (
  { engine, request, ends, intervalSeconds, maxSeconds }: Serving,
  index: number,
  port: number,
  onSample: OnSample,
  signal: AbortSignal,
): IperfServer =>
  engine.serve(
    {
      ...ends[index]!,
      port,
      cpu: request.cpu,
      idleSeconds: IDLE_SECONDS,
      durationSeconds: maxSeconds,
      watch: { intervalSeconds, onSample },
    },
    signal,
  )

/** Starts the first server of a listener, on a port that it keeps from then on; `keep` keeps it running. */
const listen = async (serving: Serving, index: number) => {
  const { deps, engine, request, opened, intervalSeconds, lease } = serving
  const { signal, news } = lease
  await deps.sustained.turn(signal)
  const first = Promise.withResolvers<Parameters<Attempt>[0]>()
  const stopFirst = new AbortController()
  const until = AbortSignal.any([signal, stopFirst.signal])
  // A sample comes an interval after its client, which comes after Started.
  const onSample: OnSample = (sample) => void first.promise.then((tell) => tell.sample(sample))
  const begin = (port: number) => startServer(serving, index, port, onSample, until)
  const asked = request.listeners[index]!.port
  const { server, port } = await leaseAndStart(deps, engine, request, asked, opened, begin)
  let isFirst = true
  const attempt: Attempt = async (tell, aborted) => {
    if (isFirst) {
      isFirst = false
      first.resolve(tell)
      aborted.addEventListener('abort', () => stopFirst.abort(), { once: true })
      return endOf(server, port, () => undefined)
    }
    await deps.sustained.turn(aborted)
    return endOf(startServer(serving, index, port, tell.sample, aborted), port, tell.runs)
  }
  const options = {
    attempt,
    flowIndex: index,
    intervalSeconds,
    firstPauseSeconds: FIRST_PAUSE_SECONDS.server,
    onSample: news.sample,
    onChange: news.change,
  }
  return { port, keep: () => keepUp(deps, options, signal) }
}

/** Listens for each listener until the caller's stream ends; servers that end are started again on their ports. */
export const serveSustained = (
  deps: Deps,
  options: AgentOptions,
  request: ServeRequest,
  context: CallerContext,
): AsyncGenerator<ServeResponse> =>
  sustainedStream(deps, context, async (lease): Promise<{ started: ServeResponse; over: Promise<never> }> => {
    const { engine, version } = await deps.engines.iperf(request.engine, lease.signal)
    const ends = admitListeners(deps, options, engine, request)
    const intervalSeconds = fromDuration(request.interval) ?? IPERF_DEFAULTS.intervalSeconds
    throwIfInvalid('the serve request', sustainedViolations(engine, intervalSeconds))
    const interfaces = ends.map((end) => end.interface)
    const claims = claimsOf('server', request.direction, interfaces)
    lease.undo.push(
      deps.admission.claim(claims, request.admission, context.peer),
      deps.sustained.hold(request.label),
    )
    const opened: Opened = { servers: [], ports: [] }
    lease.undo.push(async () => {
      await Promise.all(opened.servers.map((server) => server.done))
      for (const { port, width } of opened.ports) deps.ports.release(port, width)
    })
    const maxSeconds = options.maxDurationSeconds
    const serving = { deps, engine, request, ends, intervalSeconds, maxSeconds, opened, lease }
    const listening = await inTurns(ends.length, STARTING_AT_ONCE, (index) => listen(serving, index))
    const keeping = listening.map(({ keep }) => keep())
    lease.undo.push(() => Promise.allSettled(keeping))
    const listeners = listening.map(({ port }, index) => ({ address: ends[index]!.address, port }))
    return {
      started: { event: { $case: 'started', value: { engine: version, listeners } } },
      over: Promise.race(keeping),
    }
  })

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
