import { isAbortError } from 'abort-controller-x'
import { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { type Traffic, type TrafficSpec, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { type Invocation, withClient } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import { readAll } from '../client/paging.ts'
import { stopIfActive } from '../client/stop-traffic.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { readTrafficSpec, type TrafficOptions } from '../options/traffic-spec.ts'
import { createStatusLine } from '../render/status-line.ts'
import {
  allFlowsMove,
  capacityText,
  renderTraffic,
  startingText,
  trafficDocument,
  trafficHasEnded,
} from '../render/traffic-text.ts'
import { printJson, printLine } from '../terminal.ts'
import { reviewPlan } from './plan.ts'

const DEFAULT_WAIT_SECONDS = 60
/** The collector requests the state of every agent before it starts anything. */
const START_DEADLINE_MS = 60_000
/** Longer than any start: the collector limits the duration of a start. */
const WATCH_DEADLINE_MS = 3600 * 1000
const PLAIN_SECONDS = 5

/** Shows the progress of a start: one changing line in a terminal, a line every 5 s in a log. */
const createLine = ({ terminal }: Invocation<object>) => {
  const { stderr, clock } = terminal
  let last = Number.NEGATIVE_INFINITY
  const line = createStatusLine(stderr)
  return {
    show(traffic: Traffic): void {
      const now = clock.monotonicSeconds()
      if (stderr.isTTY) line.show(`  ${startingText(traffic)}`)
      else if (now - last >= PLAIN_SECONDS) {
        printLine(stderr, startingText(traffic))
        last = now
      }
    },
    end(): void {
      line.clear()
    },
  }
}

const printCapacity = async (
  { terminal }: Invocation<object>,
  client: CollectorClient,
  traffic: Traffic,
  interfaces: readonly string[],
): Promise<void> => {
  const nodes = await readAll(
    (page) => client.fleet.listNodes(page),
    ({ nodes }) => nodes,
  )
  const speeds = nodes.map(({ name, description, interfaces: own }) => ({
    name,
    bitsPerSecond: (description?.interfaces ?? [])
      .filter((link) => (interfaces.length > 0 ? interfaces : own).includes(link.name))
      .reduce((sum, { speedBitsPerSecond = 0 }) => sum + speedBitsPerSecond, 0),
  }))
  const text = capacityText(traffic, speeds)
  if (text) printLine(terminal.stderr, text)
}

/** Waits until every flow moves, the start has failed, or `waitSeconds` have passed. Returns the last state seen. */
const waitUntilMoving = async (
  invocation: Invocation<object>,
  client: CollectorClient,
  started: Traffic,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<Traffic> => {
  const { clock } = invocation.terminal
  const line = createLine(invocation)
  const timeout = new AbortController()
  const either = AbortSignal.any([signal, timeout.signal])
  let timing = false
  let last = started
  try {
    const call = { signal: either, deadline: WATCH_DEADLINE_MS }
    for await (const { traffic } of client.traffic.watchTraffic({ trafficId: started.id }, call)) {
      if (!traffic) continue
      last = traffic
      if (trafficHasEnded(traffic) || allFlowsMove(traffic)) return traffic
      line.show(traffic)
      if (timing || traffic.state !== TrafficState.TRAFFIC_STATE_RUNNING) continue
      timing = true
      // An abort ends the timer; its rejection is expected.
      void clock.sleep(waitSeconds, either).then(
        () => timeout.abort(),
        () => undefined,
      )
    }
    return last
  } catch (error) {
    if (!timeout.signal.aborted || !isAbortError(error)) throw error
    return last
  } finally {
    timeout.abort()
    line.end()
  }
}

const startAndWait = async (
  invocation: Invocation<TrafficOptions>,
  client: CollectorClient,
  spec: TrafficSpec,
  waitSeconds: number,
): Promise<ExitCode> => {
  const { terminal, options, paint } = invocation
  const interrupt = new AbortController()
  const stopListening = terminal.onInterrupt(() => interrupt.abort())
  try {
    const { traffic: started } = await createIdempotently(terminal.clock, (requestId) =>
      client.traffic.startTraffic({ spec, requestId }, { deadline: START_DEADLINE_MS }),
    )
    if (!started) throw new Error('the collector answered StartTraffic without a traffic')
    if (options.detach) {
      if (options.json) printJson(terminal.stdout, { traffic: trafficDocument(started) })
      else printLine(terminal.stdout, started.id)
      return EXIT.healthy
    }
    await printCapacity(invocation, client, started, spec.interfaces)
    try {
      const traffic = await waitUntilMoving(invocation, client, started, waitSeconds, interrupt.signal)
      if (options.json) printJson(terminal.stdout, { traffic: trafficDocument(traffic) })
      else printLine(terminal.stdout, renderTraffic(traffic, 'meshgauge traffic stop', paint))
      return allFlowsMove(traffic) ? EXIT.healthy : EXIT.verdict
    } catch (error) {
      if (!interrupt.signal.aborted) throw error
      printLine(terminal.stderr, 'Stopping the traffic.')
      await stopIfActive(client, started.id)
      return EXIT.interrupted
    }
  } finally {
    stopListening()
  }
}

export const startTraffic = async (invocation: Invocation<TrafficOptions>): Promise<ExitCode> => {
  const { operands, options, read, problems } = invocation
  const spec = readTrafficSpec(operands[0], options, read, problems)
  const waitSeconds = read.seconds('--wait', options.wait) ?? DEFAULT_WAIT_SECONDS
  const { topology, interfaces } = spec
  await reviewPlan(
    invocation,
    RunSpec.fromPartial({ topology, interfaces, test: { $case: 'iperf', value: {} } }),
  )
  return withClient(invocation, (client) => startAndWait(invocation, client, spec, waitSeconds))
}
