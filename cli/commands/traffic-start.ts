import { isAbortError } from 'abort-controller-x'
import { type Traffic, type TrafficSpec, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { type Invocation, withClient } from '../app.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import { readAll } from '../client/paging.ts'
import { stopIfActive } from '../client/stop-traffic.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { readTrafficSpec, type TrafficOptions } from '../options/traffic.ts'
import {
  allMove,
  ceilingText,
  isOver,
  renderTraffic,
  startingText,
  trafficDocument,
} from '../render/traffic.ts'
import { printJson, printLine } from '../terminal.ts'

const DEFAULT_WAIT_SECONDS = 60
/** Every agent is asked how it is before anything starts. */
const START_DEADLINE_MS = 60_000
/** The collector bounds the start itself. */
const WATCH_DEADLINE_MS = 3600 * 1000
const PLAIN_SECONDS = 5

/** Says how far it is: a line that changes in a terminal, a line now and then in a log. */
const createLine = ({ terminal }: Invocation<object>) => {
  const { stderr, clock } = terminal
  let last = Number.NEGATIVE_INFINITY
  return {
    show(traffic: Traffic): void {
      const now = clock.monotonicSeconds()
      if (stderr.isTTY) stderr.write(`\r\u001b[K  ${startingText(traffic)}`)
      else if (now - last >= PLAIN_SECONDS) {
        printLine(stderr, startingText(traffic))
        last = now
      }
    },
    end(): void {
      if (stderr.isTTY) stderr.write('\r\u001b[K')
    },
  }
}

const sayCeiling = async (
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
  const text = ceilingText(traffic, speeds)
  if (text) printLine(terminal.stderr, text)
}

/** Follows a start until every flow moves, it has failed, or flows took too long; gives the traffic as last seen. */
const waitUntilMoving = async (
  invocation: Invocation<object>,
  client: CollectorClient,
  started: Traffic,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<Traffic> => {
  const { clock } = invocation.terminal
  const line = createLine(invocation)
  const enough = new AbortController()
  const either = AbortSignal.any([signal, enough.signal])
  let timing = false
  let last = started
  try {
    const call = { signal: either, deadline: WATCH_DEADLINE_MS }
    for await (const { traffic } of client.traffic.watchTraffic({ trafficId: started.id }, call)) {
      if (!traffic) continue
      last = traffic
      if (isOver(traffic) || allMove(traffic)) return traffic
      line.show(traffic)
      if (timing || traffic.state !== TrafficState.TRAFFIC_STATE_RUNNING) continue
      timing = true
      // Aborted, the time is no longer of interest.
      void clock.sleep(waitSeconds, either).then(
        () => enough.abort(),
        () => undefined,
      )
    }
    return last
  } catch (error) {
    if (!enough.signal.aborted || !isAbortError(error)) throw error
    return last
  } finally {
    enough.abort()
    line.end()
  }
}

const attend = async (
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
    await sayCeiling(invocation, client, started, spec.interfaces)
    try {
      const traffic = await waitUntilMoving(invocation, client, started, waitSeconds, interrupt.signal)
      if (options.json) printJson(terminal.stdout, { traffic: trafficDocument(traffic) })
      else printLine(terminal.stdout, renderTraffic(traffic, 'meshgauge traffic stop', paint))
      return allMove(traffic) ? EXIT.healthy : EXIT.verdict
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

export const startTraffic = (invocation: Invocation<TrafficOptions>): Promise<ExitCode> => {
  const { operands, options, read, problems } = invocation
  const spec = readTrafficSpec(operands[0], options, read, problems)
  const waitSeconds = read.seconds('--wait', options.wait) ?? DEFAULT_WAIT_SECONDS
  return withClient(invocation, (client) => attend(invocation, client, spec, waitSeconds))
}
