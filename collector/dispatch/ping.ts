import type { PingResult, PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import type { EngineVersion, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PingTest } from '#proto/meshgauge/collector/v1/run.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { callFailureOf } from './call-failure.ts'

/** Everything one interface of one node pings: one stream, whatever the number of targets. */
export type PingGroup = {
  node: string
  interface: string
  targets: readonly { address: string }[]
}

export type PingMeasurement = {
  outcome: Outcome
  reason: string
  statistics: PingStatistics | undefined
  engine: EngineVersion | undefined
}

/** How much longer than its own length a stream may take. */
const SLACK_SECONDS = 15

/** The result of each target, in their order. What goes wrong is in the outcomes; it throws only bugs. */
export const measurePings = async (
  connection: Pick<AgentConnection, 'ping'>,
  group: PingGroup,
  test: PingTest,
  seconds: number,
  signal: AbortSignal,
): Promise<PingMeasurement[]> => {
  const { node, targets } = group
  const request = {
    ...test,
    interface: group.interface,
    targets: targets.map(({ address }) => ({ address })),
  }
  let engine: EngineVersion | undefined
  let results: PingResult[] | undefined
  try {
    const deadline = (seconds + SLACK_SECONDS) * 1000
    for await (const { event } of connection.ping.ping(request, { signal, deadline })) {
      if (event?.$case === 'started') engine = event.value.engine
      if (event?.$case === 'summary') results = event.value.results
    }
    if (!results) throw new Error('protocol violation: Ping ended without a Summary')
  } catch (error) {
    const { outcome, reason } = callFailureOf(error, node, engine !== undefined)
    return targets.map(() => ({ outcome, reason, statistics: undefined, engine }))
  }
  const byTarget = new Map(results.map((result) => [result.targetIndex, result]))
  return targets.map((_, index) => {
    const result = byTarget.get(index)
    if (!result) throw new Error('protocol violation: the Summary lacks a target')
    return { outcome: result.outcome, reason: result.reason, statistics: result.statistics, engine }
  })
}
