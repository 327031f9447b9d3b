import { type HostSamples, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import {
  Direction,
  type IperfResult,
  type IperfSample,
  type RunResponse,
  type ServeResponse,
  type ServeResult,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission, type EngineVersion, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { formatBytes } from '../../lib/units.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { HostSampling, IperfTest } from '../plan/run-spec.ts'
import { hostSamplingMessage, iperfOptionsMessage } from '../plan/run-spec-message.ts'
import { type CallFailure, callFailureOf, faultOfNode, faultOfShortage, faultReason } from './call-failure.ts'
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
  /** A program of one of the two nodes failed. The outcome is then INVALID. */
  programFault?: ProgramFault | undefined
  /** Host samples, when requested and as far as the hosts reported them. */
  sourceHost?: HostSamples | undefined
  destinationHost?: HostSamples | undefined
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
  programFault: failure.programFault,
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
  try {
    const port = await portOf(events)
    serverEnd = drain(events, pair.destination.node, destination)
    const request = { ...runRequest(pair, test, port), ...settings }
    const client = deps.connection(pair.source.node).iperf.run(request, call)
    const measured = await runClient(client, pair.source.node)
    if (hostSampling) await withTimeout(deps.clock, serverEnd, SERVER_END_SECONDS + pcpSeconds)
    const { failure, result } = (await withTimeout(deps.clock, serverEnd)) ?? {}
    const complete = { ...measured, destinationHost: destination.samples() }
    if (signal.aborted) return complete
    // When the server is lost, the client reports a refusal or a timeout, which would accuse the network.
    if (failure && measured.outcome !== Outcome.OUTCOME_MEASURED)
      return { ...complete, ...failed(failure, measured.engine) }
    const fault = serverFaultOf(pair, test, measured, result) ?? shortageOf(pair, test, measured, result)
    return withProgramFault(complete, fault)
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

/** Largest difference between the counts of one end in the two reports, which have three digits at least. */
const MAX_COUNT_DIFFERENCE = 0.1
const MAX_DIFFERENT_BYTES = 100_000

/** A fault of the server's program, or of one of the two: their reports contradict each other. */
const serverFaultOf = (
  { destination }: IperfPair,
  test: IperfTest,
  { programFault, result: client }: Attempt,
  server: ServeResult | undefined,
): ProgramFault | undefined => {
  if (programFault) return programFault
  if (server?.programFault) return faultOfNode(destination.node, server.programFault)
  const isReverse = test.direction === Direction.DIRECTION_REVERSE
  const [own, reported] = isReverse
    ? [server?.sentBytes, client?.sentBytes]
    : [server?.receivedBytes, client?.receivedBytes]
  if (own === undefined || reported === undefined) return undefined
  const difference = Math.abs(own - reported)
  if (difference <= MAX_COUNT_DIFFERENCE * Math.max(own, reported) + MAX_DIFFERENT_BYTES) return undefined
  const verb = isReverse ? 'sent' : 'received'
  const problem = `contradicts its peer: the server counted ${formatBytes(own)} ${verb}, the client reports ${formatBytes(reported)}`
  return { node: '', program: test.engine, problem }
}

/** A test that reached this share of its requested bitrate had enough processor time. */
const REACHED_RATIO = 0.95

/** A host of the pair that did not get the processor time that the test needed. */
const shortageOf = (
  { source, destination }: IperfPair,
  test: IperfTest,
  { outcome, result: client }: Attempt,
  server: ServeResult | undefined,
): ProgramFault | undefined => {
  if (outcome !== Outcome.OUTCOME_MEASURED) return undefined
  const requested = (test.bitsPerSecond ?? 0) * test.parallelCount
  if (requested > 0 && (client?.bitsPerSecond ?? 0) >= REACHED_RATIO * requested) return undefined
  return (
    faultOfShortage(source.node, client?.cpuShortage ?? '') ??
    faultOfShortage(destination.node, server?.cpuShortage ?? '')
  )
}

/** A failing program is no failing network: the values are not used. */
const withProgramFault = (attempt: Attempt, programFault: ProgramFault | undefined): Attempt =>
  programFault
    ? {
        ...attempt,
        outcome: Outcome.OUTCOME_INVALID,
        reason: faultReason(programFault),
        programFault,
        retry: false,
      }
    : attempt

type ServerEnd = { failure?: CallFailure; result?: ServeResult | undefined }

/** Reads the server's stream to its end. Returns why it failed, or its result. */
const drain = async (
  events: AsyncIterator<ServeResponse>,
  node: string,
  host: HostSampleCollector,
): Promise<ServerEnd> => {
  let result: ServeResult | undefined
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      const { event } = next.value
      if (event?.$case === 'hostSamples') host.add(event.value)
      if (event?.$case === 'summary') result = event.value.results[0]
    }
    return { result }
  } catch (error) {
    return { failure: callFailureOf(error, node, true) }
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
        const programFault = faultOfNode(node, result.programFault)
        return { outcome, reason, result, samples, engine, retry, programFault, sourceHost: host.samples() }
      }
    }
    throw new Error('protocol violation: Run ended without a Summary')
  } catch (error) {
    return { ...failed(callFailureOf(error, node, isStarted), engine), sourceHost: host.samples() }
  }
}
