import { describe, expect, test } from 'vitest'
import { HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { withShiftCount } from './effective-run-spec.ts'
import { requestedRunSpecOf, runSpecMessage } from './run-spec-message.ts'

/** The message of a spec after its defaults are filled in, as the API shows it. */
const effectiveRunSpec = (message: RunSpec): RunSpec => runSpecMessage(requestedRunSpecOf(message))

const effective = (test: NonNullable<Parameters<typeof RunSpec.fromPartial>[0]['test']>) =>
  effectiveRunSpec(RunSpec.fromPartial({ test }))

describe('defaults of a requested spec', () => {
  test('the defaults of a ping', () => {
    expect(effective({ $case: 'ping', value: {} }).test!.value).toMatchObject({
      engine: 'fping',
      count: 10,
      interval: { seconds: 1, nanos: 0 },
      timeout: { seconds: 1, nanos: 0 },
      sizeBytes: 56,
    })
  })

  test('no payload for engine tcp', () => {
    expect(effective({ $case: 'ping', value: { engine: 'tcp' } }).test!.value).toMatchObject({
      engine: 'tcp',
      sizeBytes: undefined,
    })
  })

  test('the defaults of an iperf', () => {
    const spec = effective({ $case: 'iperf', value: {} })
    expect(spec.test!.value).toMatchObject({
      engine: 'iperf3',
      options: {
        duration: { seconds: 10, nanos: 0 },
        interval: { seconds: 1, nanos: 0 },
        parallelCount: 1,
        protocol: Protocol.PROTOCOL_TCP,
        direction: Direction.DIRECTION_FORWARD,
        bitsPerSecond: undefined,
      },
    })
    expect(spec.caps).toEqual({ perNodeCount: 1, perUplinkCount: 0, totalCount: 0, exclusiveNodes: false })
  })

  test('no duration for a test that ends after a number of bytes', () => {
    const { value } = effective({ $case: 'iperf', value: { options: { bytes: 1000 } } }).test!
    expect(value).toMatchObject({ options: { bytes: 1000, duration: undefined } })
  })

  test("iperf3's bitrate of UDP, and none for netperf", () => {
    const options = { protocol: Protocol.PROTOCOL_UDP }
    const bitrateOf = (engine: string) =>
      effective({ $case: 'iperf', value: { engine, options } }).test!.value as { options?: object }
    expect(bitrateOf('iperf3').options).toMatchObject({ bitsPerSecond: 1_000_000 })
    expect(bitrateOf('netperf').options).toMatchObject({ bitsPerSecond: undefined })
  })

  test('exclusive nodes for bidirectional tests', () => {
    const options = { direction: Direction.DIRECTION_BIDIRECTIONAL }
    expect(effective({ $case: 'iperf', value: { options } }).caps).toMatchObject({ exclusiveNodes: true })
    const transactions = {
      $case: 'iperf',
      value: { engine: 'netperf', options: { requestResponse: {} } },
    } as const
    expect(effective(transactions)).toMatchObject({
      caps: { exclusiveNodes: true },
      test: { value: { options: { requestResponse: { requestBytes: 1, responseBytes: 1 } } } },
    })
  })

  test('interval and source of host samples', () => {
    const spec = effectiveRunSpec(RunSpec.fromPartial({ hostSampling: {} }))
    expect(spec.hostSampling).toEqual({ interval: toDuration(1), source: HostSource.HOST_SOURCE_PROC })
  })

  test('keep what is given; a second pass changes nothing', () => {
    const given = RunSpec.fromPartial({
      test: { $case: 'ping', value: { engine: 'ping', count: 3, timeout: toDuration(0.2), sizeBytes: 8 } },
    })
    const once = effectiveRunSpec(given)
    expect(once.test!.value).toMatchObject({
      engine: 'ping',
      count: 3,
      timeout: toDuration(0.2),
      sizeBytes: 8,
    })
    expect(effectiveRunSpec(once)).toEqual(once)
  })
})

test('the default number of shifts is 7, or all shifts of a smaller fleet', () => {
  const specOf = (shiftCount: number) =>
    requestedRunSpecOf(
      RunSpec.fromPartial({ topology: { kind: TopologyKind.TOPOLOGY_KIND_SHIFTS, shiftCount } }),
    )
  expect([100, 5].map((count) => withShiftCount(specOf(0), count).topology.shiftCount)).toEqual([7, 4])
  const given = specOf(3)
  expect(withShiftCount(given, 100)).toBe(given)
})
