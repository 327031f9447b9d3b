import { expect, test } from 'vitest'
import {
  Direction,
  IperfResult,
  type RunResponse,
  type ServeResponse,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { systemClock } from '../../lib/clock.ts'
import { OperatingError, toClientError } from '../../lib/errors.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { IperfTest } from '../plan/run-spec.ts'
import { measureIperf } from './measure-iperf.ts'

const never = new AbortController().signal
const endOf = (node: string) => ({ node, interface: 'net1', address: '10.0.0.1' })
const PAIR = { source: endOf('h1'), destination: endOf('h4') }
const TEST = { engine: 'iperf3', direction: Direction.DIRECTION_FORWARD } as IperfTest
const MB = 1_000_000

type Served = {
  receivedBytes?: number
  sentBytes?: number
  programFault?: { program: string; problem: string }
}

/** Measures with a client and a server that end like this. */
const measure = (client: Partial<IperfResult>, served: Served, direction = TEST.direction) => {
  const iperf = {
    async *serve(): AsyncGenerator<ServeResponse> {
      const listeners = [{ address: '10.0.0.1', port: 5201 }]
      yield { event: { $case: 'started', value: { engine: undefined, listeners } } }
      const result = {
        outcome: Outcome.OUTCOME_MEASURED,
        reason: '',
        programFault: undefined,
        cpuShortage: '',
        ...served,
      }
      yield { event: { $case: 'summary', value: { results: [result] } } }
    },
    async *run(): AsyncGenerator<RunResponse> {
      const result = IperfResult.fromPartial({ outcome: Outcome.OUTCOME_MEASURED, ...client } as object)
      yield { event: { $case: 'summary', value: { results: [result] } } }
    },
  } as unknown as AgentConnection['iperf']
  return measureIperf(
    { connection: () => ({ iperf }), clock: systemClock },
    PAIR,
    { ...TEST, direction },
    1,
    never,
  )
}

test('a hanging client is a fault of the program of its node, whatever the server says', async () => {
  const programFault = { program: 'iperf3', problem: 'hangs: it opened no connection' }
  const measured = await measure({ outcome: Outcome.OUTCOME_INVALID, programFault }, {})
  expect(measured).toMatchObject({
    outcome: Outcome.OUTCOME_INVALID,
    reason: 'iperf3 of h1 hangs: it opened no connection',
    programFault: { node: 'h1', ...programFault },
  })
})

test('a server that hangs is a fault of the program of its node, and no refusal', async () => {
  const programFault = { program: 'iperf3', problem: 'hangs: it does not accept' }
  expect(await measure({ outcome: Outcome.OUTCOME_REFUSED }, { programFault })).toMatchObject({
    outcome: Outcome.OUTCOME_INVALID,
    reason: 'iperf3 of h4 hangs: it does not accept',
    programFault: { node: 'h4', ...programFault },
    attemptCount: 1,
  })
})

test.each([
  ['forward', { receivedBytes: 573 * MB }, { receivedBytes: 57 * MB }, Direction.DIRECTION_FORWARD],
  ['reverse', { sentBytes: 573 * MB }, { sentBytes: 57 * MB }, Direction.DIRECTION_REVERSE],
])('counts that contradict each other are invalid: %s', async (_, client, served, direction) => {
  const measured = await measure(client, served, direction)
  expect(measured.outcome).toBe(Outcome.OUTCOME_INVALID)
  expect(measured.programFault).toMatchObject({ node: '', program: 'iperf3' })
  expect(measured.reason).toMatch(/server counted 57\.0 MB (received|sent), the client reports 573 MB$/)
})

test.each([
  ['equal counts', { receivedBytes: 57 * MB }, { receivedBytes: 57.1 * MB }],
  ['counts that are rounded', { receivedBytes: 1000 }, { receivedBytes: 50_000 }],
  ['a server without a count', { receivedBytes: 57 * MB }, {}],
])('%s are measured', async (_, client, served) => {
  expect(await measure(client, served)).toMatchObject({
    outcome: Outcome.OUTCOME_MEASURED,
    programFault: undefined,
  })
})

test('a program that hangs before the test is named by the error of the agent', async () => {
  const metadata = { program: 'iperf3', problem: 'hangs: iperf3 did not end within 10 s' }
  const error = new OperatingError('ENGINE_UNAVAILABLE', 'iperf3 cannot run here', { metadata })
  const iperf = {
    serve: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(toClientError('/meshgauge.agent.v1.IperfService/Serve', error)),
      }),
    }),
  } as unknown as AgentConnection['iperf']
  const measured = await measureIperf(
    { connection: () => ({ iperf }), clock: systemClock },
    PAIR,
    TEST,
    1,
    never,
  )
  expect(measured).toMatchObject({
    outcome: Outcome.OUTCOME_INVALID,
    reason: 'iperf3 of h4 hangs: iperf3 did not end within 10 s',
    programFault: { node: 'h4', ...metadata },
  })
})
