import { expect, test } from 'vitest'
import { type PingRequest, type PingResponse, PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import { sweepSizes } from './sweep-sizes.ts'

const never = new AbortController().signal

/** An agent whose pings with these payloads are answered. */
const agentWith = (passes: (payloadBytes: number, call: number) => boolean) => {
  const requests: PingRequest[] = []
  const ping = {
    async *ping(request: PingRequest): AsyncGenerator<PingResponse> {
      requests.push(request)
      const isAnswered = passes(request.sizeBytes ?? 0, requests.length)
      const result = {
        targetIndex: 0,
        outcome: isAnswered ? Outcome.OUTCOME_MEASURED : Outcome.OUTCOME_UNREACHABLE,
        reason: '',
        statistics: PingStatistics.fromPartial({ sentCount: 2, receivedCount: isAnswered ? 2 : 0 }),
        programFault: undefined,
        cpuShortage: '',
      }
      yield { event: { $case: 'summary', value: { results: [result] } } } as unknown as PingResponse
    },
  } as unknown as AgentConnection['ping']
  return { ping, requests }
}

const sweepOf = (address: string, mtuBytes: number) => ({ node: 'h2', interface: 'net1', address, mtuBytes })

test.each([
  ['10.0.0.1', 9000, 1000],
  ['10.0.0.1', 9000, 8999],
  ['10.0.0.1', 1500, 85],
  ['fd00::1', 9000, 1280],
])('a limit to %s with MTU %d is found to the byte: %d', async (address, mtuBytes, limit) => {
  const header = address.includes(':') ? 48 : 28
  const agent = agentWith((payload) => payload + header <= limit)
  expect(await sweepSizes(agent, sweepOf(address, mtuBytes), never)).toBe(limit)
  expect(agent.requests.length).toBeLessThanOrEqual(18)
  for (const request of agent.requests)
    expect(request).toMatchObject({ interface: 'net1', dontFragment: true, engine: 'fping' })
})

test.each<[string, (payload: number, call: number) => boolean]>([
  ['all sizes pass', () => true],
  ['no size passes', () => false],
  ['the answers contradict each other', (payload, call) => payload <= 972 || call > 13],
])('no limit when %s', async (_, passes) => {
  expect(await sweepSizes(agentWith(passes), sweepOf('10.0.0.1', 1500), never)).toBeUndefined()
})
