import type { IperfResult, IperfSample, RunResponse, ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission, type EngineVersion, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { IperfTest } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { type Trouble, troubleOf } from './call-trouble.ts'

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
}

type Deps = { connection(node: string): Pick<AgentConnection, 'iperf'>; clock: Clock }

/** A test may take so much longer than its own length before the collector gives up on its agents. */
const SLACK_SECONDS = 20
/** A busy agent or a refused port is tried again so often, with a pause between. */
const MAX_ATTEMPTS = 4
const RETRY_SECONDS = 1
/** The server has the last word at most this long after the client has ended. */
const SERVER_END_SECONDS = 2

type Attempt = Omit<IperfMeasurement, 'attemptCount'> & { retry: boolean }

/** Measures one pair, the receiver first, then the sender. What goes wrong is in the outcome; it throws only bugs. */
export const measureIperf = async (
  deps: Deps,
  pair: IperfPair,
  test: IperfTest,
  seconds: number,
  signal: AbortSignal,
): Promise<IperfMeasurement> => {
  for (let attemptCount = 1; ; attemptCount++) {
    const { retry, ...measurement } = await attempt(deps, pair, test, seconds, signal)
    if (!retry || attemptCount === MAX_ATTEMPTS || signal.aborted) return { ...measurement, attemptCount }
    await deps.clock.sleep(RETRY_SECONDS * attemptCount, signal).catch(() => undefined)
    if (signal.aborted) return { ...measurement, attemptCount }
  }
}

const failed = (trouble: Trouble, engine?: EngineVersion): Attempt => ({
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
): Promise<Attempt> => {
  const stop = new AbortController()
  const call = { signal: AbortSignal.any([signal, stop.signal]), deadline: (seconds + SLACK_SECONDS) * 1000 }
  const server = deps.connection(pair.destination.node).iperf.serve(serveRequest(pair, test, seconds), call)
  const events = server[Symbol.asyncIterator]()
  let serverEnd: Promise<Trouble | undefined> = Promise.resolve(undefined)
  try {
    const port = await started(events)
    serverEnd = ended(events, pair.destination.node)
    const client = deps.connection(pair.source.node).iperf.run(runRequest(pair, test, port), call)
    const measured = await runClient(client, pair.source.node)
    // A server that is lost shows at the client as a refusal or a silence that would accuse the network.
    const lost = measured.outcome === Outcome.OUTCOME_MEASURED ? undefined : await soon(deps.clock, serverEnd)
    return lost && !signal.aborted ? failed(lost, measured.engine) : measured
  } catch (error) {
    return failed(troubleOf(error, pair.destination.node, false))
  } finally {
    await soon(deps.clock, serverEnd)
    stop.abort()
    await serverEnd
  }
}

const serveRequest = (pair: IperfPair, test: IperfTest, seconds: number) => ({
  listeners: [{ interface: pair.destination.interface, address: pair.destination.address }],
  engine: test.engine,
  ports: test.ports,
  admission: Admission.ADMISSION_EXCLUSIVE,
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
  admission: Admission.ADMISSION_EXCLUSIVE,
})

/** The port of the one server, once it listens. */
const started = async (events: AsyncIterator<ServeResponse>): Promise<number> => {
  const { value } = await events.next()
  const event = (value as ServeResponse | undefined)?.event
  if (event?.$case !== 'started') throw new Error('protocol violation: Serve did not begin with Started')
  return event.value.listeners[0]!.port
}

/** Undefined when the server's stream ended as it should, else what became of it. */
const ended = async (events: AsyncIterator<ServeResponse>, node: string): Promise<Trouble | undefined> => {
  try {
    while (!(await events.next()).done);
    return undefined
  } catch (error) {
    return troubleOf(error, node, true)
  }
}

const soon = <T>(clock: Clock, promise: Promise<T>): Promise<T | undefined> => {
  const timer = new AbortController()
  const pause = clock.sleep(SERVER_END_SECONDS, timer.signal).then(
    () => undefined,
    () => undefined,
  )
  return Promise.race([promise, pause]).finally(() => timer.abort())
}

const runClient = async (client: AsyncIterable<RunResponse>, node: string): Promise<Attempt> => {
  let engine: EngineVersion | undefined
  let begun = false
  const samples: IperfSample[] = []
  try {
    for await (const { event } of client) {
      if (event?.$case === 'started') {
        engine = event.value.engine
        begun = true
      } else if (event?.$case === 'samples') {
        samples.push(...event.value.samples.filter(({ omitted }) => !omitted))
      } else if (event?.$case === 'summary') {
        const result = event.value.results[0]!
        const { outcome, reason } = result
        // The port listened a moment ago: a refusal is the program's, not the network's.
        const retry = outcome === Outcome.OUTCOME_REFUSED
        return { outcome, reason, result, samples, engine, retry }
      }
    }
    throw new Error('protocol violation: Run ended without a Summary')
  } catch (error) {
    return failed(troubleOf(error, node, begun), engine)
  }
}
