/** What Serve and Run streams have in common: the lease on programs, ports and claims, and the messages. */

import type { HostSamples, HostSampling } from '#proto/meshgauge/agent/v1/host.ts'
import type {
  Flow,
  FlowChanges,
  IperfSamples,
  RunRequest,
  ServeRequest,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import type { IperfEngine } from '../../engines/engine.ts'
import type { HostSamplingSession } from '../../host/sampling-session.ts'
import { createReportTimer } from '../report-timer.ts'
import type { CallerContext, Endpoint, IperfDeps } from './endpoint.ts'
import type { FlowUpdates } from './flow-updates.ts'

/** What one stream owns until it ends. */
export type StreamLease = {
  /** Aborted when the stream ends for any reason. Everything that the stream starts ends with it. */
  readonly signal: AbortSignal
  /** The end of the stream waits for this work, which must end with `signal`. Its failure is ignored here. */
  waitFor(work: Promise<unknown>): void
  /** Calls this once all work has ended, in reverse order. */
  onEnd(cleanUp: () => unknown): void
  /** Samples the host until the stream ends. */
  sampleHost(sampling: HostSampling | undefined): Promise<void>
}

type AdmittedStream<Request> = {
  deps: IperfDeps
  engine: IperfEngine
  request: Request
  updates: FlowUpdates
  lease: StreamLease
  maxDurationSeconds: number
}
/** A Serve stream after its admission; the endpoints are those of its listeners. */
export type Serving = AdmittedStream<ServeRequest> & { endpoints: Endpoint[] }
/** A Run stream after its admission. */
export type Sending = AdmittedStream<RunRequest> & { flows: Flow[] }

type Opened<Started, Result> = {
  /** The first message. */
  started: Started
  /** The content of the summary. Pending while the stream continues; rejects when it cannot. */
  results: Promise<Result[]>
}

type Message<Result> =
  | { event: { $case: 'changes'; value: FlowChanges } }
  | { event: { $case: 'samples'; value: IperfSamples } }
  | { event: { $case: 'hostSamples'; value: HostSamples } }
  | { event: { $case: 'summary'; value: { results: Result[] } } }

/**
 * Opens a stream, then sends every `flushSeconds` what `updates` and the host sampler collected, until the results are
 * available. Ends everything that the stream started when the caller cancels or the agent shuts down.
 */
export async function* iperfStream<Started, Result>(
  deps: Pick<IperfDeps, 'clock' | 'draining' | 'hostSampling'>,
  context: CallerContext,
  { updates, flushSeconds }: { updates: FlowUpdates; flushSeconds: number },
  open: (lease: StreamLease) => Promise<Opened<Started, Result>>,
): AsyncGenerator<Started | Message<Result>> {
  const stream = deps.draining.track(context.signal)
  const stop = new AbortController()
  const signal = AbortSignal.any([stream.signal, stop.signal])
  const work: Promise<unknown>[] = []
  const cleanUps: (() => unknown)[] = []
  let host: HostSamplingSession | undefined
  const lease: StreamLease = {
    signal,
    // Handled at once: a failure that is not awaited would end the agent.
    waitFor: (promise) => void work.push(promise.catch(() => undefined)),
    onEnd: (cleanUp) => void cleanUps.push(cleanUp),
    sampleHost: async (sampling) => {
      host = await deps.hostSampling.begin(sampling, signal)
      cleanUps.push(host.close)
    },
  }
  try {
    deps.draining.throwIfDraining()
    const { started, results } = await open(lease)
    lease.waitFor(results)
    yield started
    const isRunning = createReportTimer(results, deps.clock, signal)
    for (let running = true; running; ) {
      running = await isRunning(flushSeconds)
      stream.signal.throwIfAborted()
      const { samples, changes } = updates.take()
      if (changes.length > 0) yield { event: { $case: 'changes', value: { changes } } }
      if (samples.length > 0) yield { event: { $case: 'samples', value: { samples } } }
      const hostSamples = running ? host?.take() : await host?.end()
      if (hostSamples) yield { event: { $case: 'hostSamples', value: hostSamples } }
    }
    yield { event: { $case: 'summary', value: { results: await results } } }
  } finally {
    stop.abort()
    await Promise.all(work)
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
    stream.end()
  }
}
