import type { PingResult, PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { type EngineVersion, Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { PingTest } from '../plan/run-spec.ts'
import { pingTestMessage } from '../plan/run-spec-message.ts'
import { callFailureOf, faultOfNode, faultOfShortage, faultReason } from './call-failure.ts'
import type { ProgramFault } from './pair-result.ts'

/** All targets that one interface of one node pings, in one stream. */
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
  /** The program of the node that pings failed. The outcome is then INVALID. */
  programFault?: ProgramFault | undefined
}

/** Added to the length of a ping test for the deadline of its stream. */
const SLACK_SECONDS = 15

/** Returns one result per target, in their order. Failures are outcomes; it rejects only for bugs. */
export const measurePings = async (
  connection: Pick<AgentConnection, 'ping'>,
  group: PingGroup,
  test: PingTest,
  seconds: number,
  signal: AbortSignal,
): Promise<PingMeasurement[]> => {
  const { node, targets } = group
  const request = {
    ...pingTestMessage(test),
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
    const { outcome, reason, programFault } = callFailureOf(error, node, engine !== undefined)
    return targets.map(() => ({ outcome, reason, statistics: undefined, engine, programFault }))
  }
  const byTarget = new Map(results.map((result) => [result.targetIndex, result]))
  return targets.map((_, index) => {
    const result = byTarget.get(index)
    if (!result) throw new Error('protocol violation: the Summary lacks a target')
    const programFault = faultOfNode(node, result.programFault) ?? faultOfShortage(node, result.cpuShortage)
    const measured = { outcome: result.outcome, reason: result.reason, statistics: result.statistics, engine }
    if (!programFault) return measured
    return { ...measured, outcome: Outcome.OUTCOME_INVALID, reason: faultReason(programFault), programFault }
  })
}
