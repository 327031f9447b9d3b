import { expect, test } from 'vitest'
import { HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { requestedRunSpecOf, runSpecMessage, runSpecOf } from './run-spec-message.ts'

const shared = {
  label: 'nightly',
  topology: {
    kind: TopologyKind.TOPOLOGY_KIND_SHIFTS,
    nodes: ['rack=r1'],
    shiftCount: 3,
    seed: 7,
  },
  interfaces: ['net0'],
  caps: { perNodeCount: 2, perUplinkCount: 8, totalCount: 100, exclusiveNodes: true },
  expectations: [{ name: 'throughput_min', limit: 9e9 }],
  hostSampling: { interval: toDuration(0.2), source: HostSource.HOST_SOURCE_PCP },
  profile: 'baseline',
  allowTraffic: true,
}

test.each<[string, RunSpec]>([
  [
    'ping',
    RunSpec.fromPartial({
      ...shared,
      test: {
        $case: 'ping',
        value: {
          engine: 'ping',
          count: 0,
          interval: toDuration(0.02),
          timeout: toDuration(1.000000001),
          sizeBytes: 0,
          dontFragment: true,
          ttl: 3,
          tos: 0,
        },
      },
    }),
  ],
  [
    'iperf',
    RunSpec.fromPartial({
      ...shared,
      test: {
        $case: 'iperf',
        value: {
          engine: 'netperf',
          ports: { first: 6000, last: 6010 },
          options: {
            duration: toDuration(2.5),
            bytes: 1000,
            omit: toDuration(0),
            interval: toDuration(0.1),
            parallelCount: 4,
            bitsPerSecond: 0,
            protocol: Protocol.PROTOCOL_UDP,
            direction: Direction.DIRECTION_REVERSE,
            lengthBytes: 1400,
            windowBytes: 1,
            mssBytes: 536,
            noDelay: true,
            congestionControl: 'bbr',
            tos: 1,
            dscp: 46,
            zerocopy: true,
            family: IpFamily.IP_FAMILY_V6,
            clientCpu: 0,
            serverCpu: 1,
            requestResponse: { requestBytes: 64, responseBytes: 1024 },
            extraArguments: ['-c'],
          },
        },
      },
    }),
  ],
])('a complete %s spec is the same message after conversion', (_test, message) => {
  const bytes = RunSpec.encode(message).finish()
  const converted = runSpecMessage(runSpecOf(RunSpec.decode(bytes)))
  expect(converted).toEqual(message)
  expect(Buffer.from(RunSpec.encode(converted).finish())).toEqual(Buffer.from(bytes))
})

test('a requested spec may lack its test, a stored one may not', () => {
  const message = RunSpec.fromPartial({ label: 'x' })
  expect(requestedRunSpecOf(message).test).toBeUndefined()
  expect(() => runSpecOf(message)).toThrow('a run spec has no test')
})
