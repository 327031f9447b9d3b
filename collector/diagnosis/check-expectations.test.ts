import { describe, expect, test } from 'vitest'
import { Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { EXPECTATION_NAMES, type ExpectationName } from '../../lib/expectations.ts'
import { createIperfTest, createPingTest } from '../plan/effective-run-spec.ts'
import type { RunTest } from '../plan/run-spec.ts'
import { appliesTo, checkExpectations, kindOf } from './expectations.ts'

describe('which tests measure an expectation', () => {
  const tcp = createIperfTest()
  const pinging = createPingTest()
  const requestResponse = { requestBytes: undefined, responseBytes: undefined }
  const rr = createIperfTest({ requestResponse, protocol: Protocol.PROTOCOL_UDP })

  test('every expectation is measured by some test', () => {
    const crr = createIperfTest({ requestResponse, extraArguments: ['-c'] })
    const udp = createIperfTest({ protocol: Protocol.PROTOCOL_UDP })
    const tests = [tcp, pinging, rr, crr, udp]
    for (const name of EXPECTATION_NAMES)
      expect(tests.some((each) => appliesTo(name, kindOf(each)))).toBe(true)
  })

  test.each<[ExpectationName, RunTest, boolean]>([
    ['throughput_min', tcp, true],
    ['throughput_min', pinging, false],
    ['p99_latency_max', tcp, false],
    ['p99_latency_max', rr, true],
    ['udp_throughput_min', rr, false],
    ['connection_rate_min', rr, false],
  ])('%s', (name, given, applies) => {
    expect(appliesTo(name, kindOf(given))).toBe(applies)
  })

  test('all problems are reported', () => {
    const expectations = [
      { name: 'throughput', limit: 1 },
      { name: 'p99_latency_max', limit: 1 },
      { name: 'cv_max', limit: Number.NaN },
      { name: 'throughput_min', limit: 1 },
    ]
    expect(checkExpectations(expectations, tcp)).toEqual([
      {
        field: 'expectations[0].name',
        description: '"throughput" is no expectation; did you mean throughput_min?',
      },
      {
        field: 'expectations[1].name',
        description:
          'p99_latency_max is measured by ping, or iperf with requests and responses (engine netperf), or iperf with a connection for each transaction (engine netperf); this run is iperf with TCP',
      },
      { field: 'expectations[2].limit', description: 'NaN is not a number from 0' },
    ])
  })
})
