/** How sustained traffic differs from one test: a program that ends is started again until the stream ends. */

import {
  Direction,
  type IperfOptions,
  IperfResult,
  type IperfSample,
  type RunRequest,
  type ServeRequest,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Violation } from '../../../lib/errors.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import { EngineError, type IperfEngine, type IperfServer } from '../../engines/engine.ts'
import { type ListeningServer, startOnLeasedPort } from './leased-port.ts'
import { type Attempt, type AttemptEnd, keepRunning } from './restarts.ts'
import type { Sending, Serving } from './stream.ts'

/** Longest time that samples and changes wait: a hundred programs cost one message a second. */
export const SUSTAINED_FLUSH_SECONDS = 1
/** A server without a client ends after this time and is started again: no program runs without a time limit. */
const IDLE_SECONDS = 600
/** Flows that start together would end together; the durations of their tests differ by up to this share. */
const DURATION_SPREAD = 0.25
const SPREAD_STEPS = 16
/** First pause before a restart. A server returns before its client, so that the client finds it. */
const FIRST_PAUSE_SECONDS = { server: 0.1, client: 0.5 }

const intervalOf = (interval: ServeRequest['interval']): number =>
  fromDuration(interval) ?? IPERF_DEFAULTS.intervalSeconds

const sustainedViolations = (engine: IperfEngine, intervalSeconds: number): Violation[] => [
  ...(engine.sustainedOptions
    ? []
    : [{ field: 'sustained', description: `engine ${engine.name} cannot run sustained traffic` }]),
  ...(intervalSeconds >= 1 && intervalSeconds <= 60
    ? []
    : [{ field: 'interval', description: 'must be 1 to 60 s for sustained traffic' }]),
]

export const sustainedServeViolations = (engine: IperfEngine, request: ServeRequest): Violation[] =>
  request.sustained ? sustainedViolations(engine, intervalOf(request.interval)) : []

export const sustainedRunViolations = (
  engine: IperfEngine,
  { sustained, options }: RunRequest,
): Violation[] => {
  if (!sustained) return []
  const violation = (field: string, description: string) => ({ field: `options.${field}`, description })
  const isForward = !options || options.direction <= Direction.DIRECTION_FORWARD
  return [
    ...sustainedViolations(engine, intervalOf(options?.interval)),
    ...(options?.bytes === undefined ? [] : [violation('bytes', 'cannot bound sustained traffic')]),
    ...(fromDuration(options?.omit) ? [violation('omit', 'sustained traffic has no warm-up')] : []),
    ...(isForward ? [] : [violation('direction', 'sustained traffic is sent from the client to the server')]),
  ]
}

/** Waits for the end of one server; reports it as running once it listens. */
const endOfServer = async (
  { ready, done }: IperfServer,
  port: number,
  onRunning: () => void,
): Promise<AttemptEnd> => {
  const problem = await ready.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (problem === undefined) onRunning()
  const { outcome, reason } = await done
  if (problem instanceof EngineError && problem.kind === 'address-in-use') {
    return { planned: false, reason: `another program has taken port ${port}: ${reason}` }
  }
  return { planned: outcome === Outcome.OUTCOME_MEASURED || outcome === Outcome.OUTCOME_TIMED_OUT, reason }
}

/** Starts the server of one listener, and starts it again on its port each time it ends. */
export const serveSustained = async (serving: Serving, index: number): Promise<ListeningServer> => {
  const { deps, engine, request, endpoints, updates, lease } = serving
  const { address, interface: device } = endpoints[index]!
  const intervalSeconds = intervalOf(request.interval)
  const listening = Promise.withResolvers<number>()
  let leasedPort: number | undefined
  const attempt: Attempt = async ({ onSample, onRunning }, signal) => {
    const paced = await deps.pacers.servers.start(signal)
    const listener = {
      ...{ address, interface: device, cpu: request.cpu, idleSeconds: IDLE_SECONDS },
      durationSeconds: serving.maxDurationSeconds,
      samples: { intervalSeconds, onSample },
      isBackground: true,
    }
    const start = (port: number) => {
      const server = engine.serve({ ...listener, port }, signal)
      server.ready.then(
        () => paced.end('works'),
        () => undefined,
      )
      return server
    }
    try {
      if (leasedPort !== undefined) return await endOfServer(start(leasedPort), leasedPort, onRunning)
      const { port, server } = await startOnLeasedPort(serving, index, start)
      leasedPort = port
      listening.resolve(port)
      return await endOfServer(server, port, onRunning)
    } finally {
      paced.end('ended')
    }
  }
  const done = keepRunning(
    deps,
    {
      attempt,
      flowIndex: index,
      intervalSeconds,
      firstPauseSeconds: FIRST_PAUSE_SECONDS.server,
      onSample: updates.sample,
      onChange: updates.change,
    },
    lease.signal,
  )
  lease.waitFor(done)
  return { port: await Promise.race([listening.promise, done]), done }
}

/** Duration of one test of a flow: within the agent's limit, and not the same for all flows. */
const testSeconds = (maxSeconds: number, flowIndex: number): number =>
  maxSeconds * (1 - (DURATION_SPREAD * (flowIndex % SPREAD_STEPS)) / SPREAD_STEPS)

/** Sums up what one flow moved, for the summary of a stream that has a duration. */
const createFlowTotal = () => {
  let sentBytes = 0
  let seconds = 0
  let lastReason = ''
  return {
    add({ bytes, start, end }: IperfSample): void {
      sentBytes += bytes
      seconds += fromDuration(end!) - fromDuration(start!)
    },
    ended(reason: string): void {
      lastReason = reason
    },
    result: (): IperfResult =>
      IperfResult.fromPartial(
        sentBytes > 0
          ? {
              outcome: Outcome.OUTCOME_MEASURED,
              sentBytes,
              senderBitsPerSecond: Math.round((sentBytes * 8) / seconds),
              duration: toDuration(seconds),
            }
          : { outcome: Outcome.OUTCOME_UNREACHABLE, reason: lastReason || 'no bytes were sent' },
      ),
  }
}

/** Starts the client of one flow, and starts it again each time it ends. */
const runFlowSustained = (sending: Sending, flowIndex: number, options: IperfOptions) => {
  const { deps, engine, flows, updates, lease } = sending
  const intervalSeconds = intervalOf(options.interval)
  const total = createFlowTotal()
  const attempt: Attempt = async ({ onSample }, signal) => {
    const paced = await deps.pacers.clients.start(signal, intervalSeconds)
    const startSeconds = deps.clock.monotonicSeconds()
    const background = { connectSeconds: paced.timeoutSeconds }
    try {
      for await (const event of engine.run(flows[flowIndex]!, options, signal, background)) {
        if (event.kind === 'sample') {
          if (event.sample.bytes > 0) paced.end('works')
          onSample(event.sample)
          continue
        }
        const { outcome, reason } = event.result
        total.ended(reason)
        // A refused connection ends at once, and says nothing about the load.
        const isLate = deps.clock.monotonicSeconds() - startSeconds >= paced.timeoutSeconds
        paced.end(isLate ? 'late' : 'ended')
        return { planned: outcome === Outcome.OUTCOME_MEASURED, reason }
      }
      throw new Error(`engine ${engine.name} ended a flow without a result`)
    } finally {
      paced.end('ended')
    }
  }
  const onSample = (sample: IperfSample) => {
    total.add(sample)
    updates.sample(sample)
  }
  const done = keepRunning(
    deps,
    {
      attempt,
      flowIndex,
      intervalSeconds,
      firstPauseSeconds: FIRST_PAUSE_SECONDS.client,
      onSample,
      onChange: updates.change,
    },
    lease.signal,
  )
  lease.waitFor(done)
  return { done, result: total.result }
}

/**
 * Sends all flows until their duration is over, or until the stream ends when they have none. The clients start one
 * after the other: `changes` and `samples` show which of them work.
 */
export const runSustained = (sending: Sending): { results: Promise<IperfResult[]> } => {
  const { deps, engine, request, lease, maxDurationSeconds } = sending
  const flows = sending.flows.map((_, index) =>
    runFlowSustained(
      sending,
      index,
      engine.sustainedOptions!(request.options, testSeconds(maxDurationSeconds, index)),
    ),
  )
  const failed = Promise.race(flows.map(({ done }) => done))
  const duration = fromDuration(request.options?.duration)
  const over =
    duration === undefined ? failed : Promise.race([failed, deps.clock.sleep(duration, lease.signal)])
  return { results: over.then(() => flows.map(({ result }) => result())) }
}
