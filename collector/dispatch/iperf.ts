import { HostSamples, type HostSampling, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import type { IperfResult, IperfSample, RunResponse, ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission, type EngineVersion, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { IperfTest } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { type CallFailure, callFailureOf } from './call-failure.ts'

/** The two ends of one test, with the addresses to measure between. */
export type IperfPair = {
  source: { node: string; interface: string; address: string }
  destination: { node: string; interface: string; address: string }
}

export type IperfMeasurement = {
  outcome: Outcome
  reason: string
  result: IperfResult | undefined
  samples: IperfSample[]
  engine: EngineVersion | undefined
  attemptCount: number
  /** What the hosts did, when asked for and as far as they said. */
  sourceHost?: HostSamples | undefined
  destinationHost?: HostSamples | undefined
}

type Deps = { connection(node: string): Pick<AgentConnection, 'iperf'>; clock: Clock }

/** A test may take so much longer than its own length before the collector gives up on its agents. */
const SLACK_SECONDS = 20
/** A busy agent or a refused port is tried again so often, with a pause between. */
const MAX_ATTEMPTS = 4
const RETRY_SECONDS = 1
/** The server has the last word at most this long after the client has ended. */
const SERVER_END_SECONDS = 2
/** Performance Co-Pilot has to start before the test and to write down what it saw after it. */
const PCP_SECONDS = 20

/** What else a test is told besides what it measures. */
type Sharing = {
  /** Shared only where a run was told to measure beside traffic. */
  admission?: Admission
  hostSampling?: HostSampling | undefined
}

type Attempt = Omit<IperfMeasurement, 'attemptCount'> & { retry: boolean }

/** Measures one pair, the receiver first, then the sender. What goes wrong is in the outcome; it throws only bugs. */
export const measureIperf = async (
  deps: Deps,
  pair: IperfPair,
  test: IperfTest,
  seconds: number,
  signal: AbortSignal,
  { admission = Admission.ADMISSION_EXCLUSIVE, hostSampling }: Sharing = {},
): Promise<IperfMeasurement> => {
  for (let attemptCount = 1; ; attemptCount++) {
    const { retry, ...measurement } = await attempt(deps, pair, test, seconds, signal, {
      admission,
      hostSampling,
    })
    if (!retry || attemptCount === MAX_ATTEMPTS || signal.aborted) return { ...measurement, attemptCount }
    await deps.clock.sleep(RETRY_SECONDS * attemptCount, signal).catch(() => undefined)
    if (signal.aborted) return { ...measurement, attemptCount }
  }
}

const failed = (trouble: CallFailure, engine?: EngineVersion): Attempt => ({
  outcome: trouble.outcome,
  reason: trouble.reason,
  result: undefined,
  samples: [],
  engine,
  retry: trouble.busy,
})

const attempt = async (
  deps: Deps,
  pair: IperfPair,
  test: IperfTest,
  seconds: number,
  signal: AbortSignal,
  { admission, hostSampling }: Sharing,
): Promise<Attempt> => {
  const stop = new AbortController()
  const pcpSeconds = hostSampling?.source === HostSource.HOST_SOURCE_PCP ? PCP_SECONDS : 0
  const deadline = (seconds + SLACK_SECONDS + pcpSeconds) * 1000
  const call = { signal: AbortSignal.any([signal, stop.signal]), deadline }
  const request = { ...serveRequest(pair, test, seconds), admission, hostSampling }
  const server = deps.connection(pair.destination.node).iperf.serve(request, call)
  const destination = collectHost()
  const events = server[Symbol.asyncIterator]()
  let serverEnd: Promise<CallFailure | undefined> = Promise.resolve(undefined)
  try {
    const port = await started(events)
    serverEnd = ended(events, pair.destination.node, destination)
    const request = { ...runRequest(pair, test, port), admission, hostSampling }
    const client = deps.connection(pair.source.node).iperf.run(request, call)
    const measured = await runClient(client, pair.source.node)
    if (hostSampling) await withTimeout(deps.clock, serverEnd, SERVER_END_SECONDS + pcpSeconds)
    // A server that is lost shows at the client as a refusal or a silence that would accuse the network.
    const lost =
      measured.outcome === Outcome.OUTCOME_MEASURED ? undefined : await withTimeout(deps.clock, serverEnd)
    const seen = { ...measured, destinationHost: destination.samples() }
    return lost && !signal.aborted ? { ...seen, ...failed(lost, measured.engine) } : seen
  } catch (error) {
    return failed(callFailureOf(error, pair.destination.node, false))
  } finally {
    await withTimeout(deps.clock, serverEnd)
    stop.abort()
    await serverEnd
  }
}

const serveRequest = (pair: IperfPair, test: IperfTest, seconds: number) => ({
  listeners: [{ interface: pair.destination.interface, address: pair.destination.address }],
  engine: test.engine,
  ports: test.ports,
  direction: test.options?.direction,
  cpu: test.options?.serverCpu,
  duration: toDuration(seconds),
})

const runRequest = (pair: IperfPair, test: IperfTest, port: number) => ({
  flows: [
    {
      address: pair.destination.address,
      port,
      interface: pair.source.interface,
      sourceAddress: pair.source.address,
    },
  ],
  engine: test.engine,
  options: test.options,
})

/** Puts together what one host says of itself in several messages. */
const collectHost = () => {
  let all: HostSamples | undefined
  return {
    add: (part: HostSamples): void => {
      const { samples, ...said } = all ?? HostSamples.fromPartial({})
      all = {
        samples: [...samples, ...part.samples],
        pcpJson: part.pcpJson || said.pcpJson,
        pcpProblem: part.pcpProblem || said.pcpProblem,
        problem: part.problem || said.problem,
      }
    },
    /** Undefined when it said nothing. */
    samples: () => all,
  }
}

type HostCollector = ReturnType<typeof collectHost>

/** The port of the one server, once it listens. */
const started = async (events: AsyncIterator<ServeResponse>): Promise<number> => {
  const { value } = await events.next()
  const event = (value as ServeResponse | undefined)?.event
  if (event?.$case !== 'started') throw new Error('protocol violation: Serve did not begin with Started')
  return event.value.listeners[0]!.port
}

/** Undefined when the server's stream ended as it should, else what became of it. */
const ended = async (
  events: AsyncIterator<ServeResponse>,
  node: string,
  host: HostCollector,
): Promise<CallFailure | undefined> => {
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      if (next.value.event?.$case === 'hostSamples') host.add(next.value.event.value)
    }
    return undefined
  } catch (error) {
    return callFailureOf(error, node, true)
  }
}

const withTimeout = <T>(
  clock: Clock,
  promise: Promise<T>,
  seconds = SERVER_END_SECONDS,
): Promise<T | undefined> => {
  const timer = new AbortController()
  const pause = clock.sleep(seconds, timer.signal).then(
    () => undefined,
    () => undefined,
  )
  return Promise.race([promise, pause]).finally(() => timer.abort())
}

const runClient = async (client: AsyncIterable<RunResponse>, node: string): Promise<Attempt> => {
  let engine: EngineVersion | undefined
  let begun = false
  const samples: IperfSample[] = []
  const host = collectHost()
  try {
    for await (const { event } of client) {
      if (event?.$case === 'started') {
        engine = event.value.engine
        begun = true
      } else if (event?.$case === 'samples') {
        samples.push(...event.value.samples.filter(({ omitted }) => !omitted))
      } else if (event?.$case === 'hostSamples') {
        host.add(event.value)
      } else if (event?.$case === 'summary') {
        const result = event.value.results[0]!
        const { outcome, reason } = result
        // The port listened a moment ago: a refusal is the program's, not the network's.
        const retry = outcome === Outcome.OUTCOME_REFUSED
        return { outcome, reason, result, samples, engine, retry, sourceHost: host.samples() }
      }
    }
    throw new Error('protocol violation: Run ended without a Summary')
  } catch (error) {
    return { ...failed(callFailureOf(error, node, begun), engine), sourceHost: host.samples() }
  }
}
