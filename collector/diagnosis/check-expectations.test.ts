import { describe, expect, test } from 'vitest'
import { Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { EXPECTATION_NAMES, type ExpectationName } from '../../lib/expectations.ts'
import { appliesTo, checkExpectations, kindOf } from './expectations.ts'

describe('which tests measure an expectation', () => {
  const specOf = (test: RunSpec['test'], ...expectations: RunSpec['expectations']) =>
    RunSpec.fromPartial({ test, expectations })
  const tcp: RunSpec['test'] = { $case: 'iperf', value: { engine: '', options: undefined, ports: undefined } }
  const pinging = RunSpec.fromPartial({ test: { $case: 'ping', value: {} } }).test
  const rr = RunSpec.fromPartial({
    test: { $case: 'iperf', value: { options: { requestResponse: {}, protocol: Protocol.PROTOCOL_UDP } } },
  }).test

  test('every expectation is measured by some test', () => {
    const crr = RunSpec.fromPartial({
      test: { $case: 'iperf', value: { options: { requestResponse: {}, extraArguments: ['-c'] } } },
    }).test
    const udp = RunSpec.fromPartial({
      test: { $case: 'iperf', value: { options: { protocol: Protocol.PROTOCOL_UDP } } },
    }).test
    const specs = [tcp, pinging, rr, crr, udp].map((kind) => specOf(kind))
    for (const name of EXPECTATION_NAMES)
      expect(specs.some((spec) => appliesTo(name, kindOf(spec)))).toBe(true)
  })

  test.each<[ExpectationName, RunSpec['test'], boolean]>([
    ['throughput_min', tcp, true],
    ['throughput_min', pinging, false],
    ['p99_latency_max', tcp, false],
    ['p99_latency_max', rr, true],
    ['udp_throughput_min', rr, false],
    ['connection_rate_min', rr, false],
  ])('%s', (name, kind, applies) => {
    expect(appliesTo(name, kindOf(specOf(kind)))).toBe(applies)
  })

  test('all problems are reported', () => {
    const spec = specOf(
      tcp,
      { name: 'throughput', limit: 1 },
      { name: 'p99_latency_max', limit: 1 },
      { name: 'cv_max', limit: Number.NaN },
      { name: 'throughput_min', limit: 1 },
    )
    expect(checkExpectations(spec)).toEqual([
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
