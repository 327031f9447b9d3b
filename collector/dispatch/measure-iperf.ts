import { type HostSamples, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import type {
  IperfResult,
  IperfSample,
  RunResponse,
  ServeResponse,
  ServeResult,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import {
  Admission,
  type EngineVersion,
  Outcome,
  type ProgramFault as ProgramFaultMessage,
} from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { HostSampling, IperfTest } from '../plan/run-spec.ts'
import { hostSamplingMessage, iperfOptionsMessage } from '../plan/run-spec-message.ts'
import { type CallFailure, callFailureOf } from './call-failure.ts'
import { HostSampleCollector } from './host-sampling.ts'
import type { ProgramFault } from './pair-result.ts'

/** The endpoints of one test with their addresses. */
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
  /** Host samples, when requested and as far as the hosts reported them. */
  sourceHost?: HostSamples | undefined
  destinationHost?: HostSamples | undefined
  /** What the server says that it received. */
  serverBytes?: number | undefined
  /** The program of one node failed. The outcome is then INVALID. */
  programFault?: ProgramFault | undefined
}

type Deps = { connection(node: string): Pick<AgentConnection, 'iperf'>; clock: Clock }

/** Added to the length of a test for the deadline of its calls. */
const SLACK_SECONDS = 20
/** Attempts when an agent is busy or a port refuses; the pause before attempt n + 1 is n times RETRY_SECONDS. */
const MAX_ATTEMPTS = 4
const RETRY_SECONDS = 1
/** How long the server's stream may continue after the client has ended. */
const SERVER_END_SECONDS = 2
/** Added for Performance Co-Pilot, which starts before the test and writes its archive after it. */
const PCP_SECONDS = 20

/** Settings of the run that apply to each of its tests. */
type TestSettings = {
  /** Shared only in a run with `allow_traffic`. */
  admission?: Admission
  hostSampling?: HostSampling | undefined
}

type Attempt = Omit<IperfMeasurement, 'attemptCount'> & { retry: boolean }

/** Measures one pair: starts the receiver, then the sender. Failures are outcomes; it rejects only for bugs. */
export const measureIperf = async (
  deps: Deps,
  pair: IperfPair,
  test: IperfTest,
  seconds: number,
  signal: AbortSignal,
  { admission = Admission.ADMISSION_EXCLUSIVE, hostSampling }: TestSettings = {},
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

const failed = (failure: CallFailure, engine?: EngineVersion): Attempt => ({
  outcome: failure.outcome,
  reason: failure.reason,
  result: undefined,
  samples: [],
  engine,
  retry: failure.busy,
})

const attempt = async (
  deps: Deps,
  pair: IperfPair,
  test: IperfTest,
  seconds: number,
  signal: AbortSignal,
  { admission, hostSampling }: Required<TestSettings>,
): Promise<Attempt> => {
  const stop = new AbortController()
  const pcpSeconds = hostSampling?.source === HostSource.HOST_SOURCE_PCP ? PCP_SECONDS : 0
  const deadline = (seconds + SLACK_SECONDS + pcpSeconds) * 1000
  const call = { signal: AbortSignal.any([signal, stop.signal]), deadline }
  const settings = { admission, hostSampling: hostSampling && hostSamplingMessage(hostSampling) }
  const request = { ...serveRequest(pair, test, seconds), ...settings }
  const server = deps.connection(pair.destination.node).iperf.serve(request, call)
  const destination = new HostSampleCollector()
  const events = server[Symbol.asyncIterator]()
  let serverEnd: Promise<ServerEnd> = Promise.resolve({})
  let hasWaited = false
  try {
    const port = await portOf(events)
    serverEnd = drain(events, pair.destination.node, destination)
    const request = { ...runRequest(pair, test, port), ...settings }
    const client = deps.connection(pair.source.node).iperf.run(request, call)
    const measured = await runClient(client, pair.source.node)
    const ended = await withTimeout(deps.clock, serverEnd, SERVER_END_SECONDS + pcpSeconds)
    hasWaited = true
    const complete = {
      ...measured,
      destinationHost: destination.samples(),
      serverBytes: ended?.result?.receivedBytes,
    }
    if (measured.outcome === Outcome.OUTCOME_MEASURED || signal.aborted) return complete
    // When the server is lost, the client reports a refusal or a timeout, which would accuse the network.
    if (ended?.failure) return { ...complete, ...failed(ended.failure, measured.engine) }
    const fault = measured.programFault ?? programFaultOf(ended?.result, pair.destination.node)
    return fault ? { ...complete, ...invalidBy(fault) } : complete
  } catch (error) {
    return failed(callFailureOf(error, pair.destination.node, false))
  } finally {
    if (!hasWaited) await withTimeout(deps.clock, serverEnd)
    stop.abort()
    await serverEnd
  }
}

const serveRequest = (pair: IperfPair, test: IperfTest, seconds: number) => ({
  listeners: [{ interface: pair.destination.interface, address: pair.destination.address }],
  engine: test.engine,
  ports: test.ports,
  direction: test.direction,
  cpu: test.serverCpu,
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
  options: iperfOptionsMessage(test),
})

/** Returns the port of the server when it listens. */
const portOf = async (events: AsyncIterator<ServeResponse>): Promise<number> => {
  const { value } = await events.next()
  const event = (value as ServeResponse | undefined)?.event
  if (event?.$case !== 'started') throw new Error('protocol violation: Serve did not begin with Started')
  return event.value.listeners[0]!.port
}

/** How the server's stream ended. Empty while it continues. */
type ServerEnd = { failure?: CallFailure; result?: ServeResult }

const programFaultOf = (
  result: { programFault?: ProgramFaultMessage | undefined } | undefined,
  node: string,
): ProgramFault | undefined => result?.programFault && { node, ...result.programFault }

/** A failure of a program is no evidence about the network, whatever the other end reports. */
const invalidBy = (programFault: ProgramFault) => ({
  outcome: Outcome.OUTCOME_INVALID,
  reason: `${programFault.program} of ${programFault.node} ${programFault.problem}`,
  programFault,
  retry: false,
})

/** Reads the server's stream to its end. */
const drain = async (
  events: AsyncIterator<ServeResponse>,
  node: string,
  host: HostSampleCollector,
): Promise<ServerEnd> => {
  const end: ServerEnd = {}
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const { event } = next.value
      if (event?.$case === 'hostSamples') host.add(event.value)
      const result = event?.$case === 'summary' ? event.value.results[0] : undefined
      if (result) end.result = result
    }
    return end
  } catch (error) {
    return { ...end, failure: callFailureOf(error, node, true) }
  }
}

/** Returns the value of the promise, or undefined after the timeout. */
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

/** Reads the client's stream to its Summary. */
const runClient = async (client: AsyncIterable<RunResponse>, node: string): Promise<Attempt> => {
  let engine: EngineVersion | undefined
  let isStarted = false
  const samples: IperfSample[] = []
  const host = new HostSampleCollector()
  try {
    for await (const { event } of client) {
      if (event?.$case === 'started') {
        engine = event.value.engine
        isStarted = true
      } else if (event?.$case === 'samples') {
        samples.push(...event.value.samples.filter(({ omitted }) => !omitted))
      } else if (event?.$case === 'hostSamples') {
        host.add(event.value)
      } else if (event?.$case === 'summary') {
        const result = event.value.results[0]!
        const { outcome, reason } = result
        // The port listened before the client started: the program refused, not the network.
        const retry = outcome === Outcome.OUTCOME_REFUSED
        const programFault = programFaultOf(result, node)
        return { outcome, reason, result, samples, engine, retry, sourceHost: host.samples(), programFault }
      }
    }
    throw new Error('protocol violation: Run ended without a Summary')
  } catch (error) {
    return { ...failed(callFailureOf(error, node, isStarted), engine), sourceHost: host.samples() }
  }
}
