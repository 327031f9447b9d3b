import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Direction, IperfOptions, IperfResult, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { hostSamples, metadataOf, PCP_SAMPLES } from '../testing/host-samples.ts'
import { failedPair, iperfPair, RUN_ID, runOf } from '../testing/run-samples.ts'
import { homogeneous, renderArcaflow } from './arcaflow.ts'

const run = (options: Partial<IperfOptions> = {}): Run => {
  const whole = runOf(RunState.RUN_STATE_COMPLETED, { nodeMetadata: { n1: metadataOf('n1.example.org') } })
  const test = {
    $case: 'iperf' as const,
    value: { engine: '', ports: undefined, options: IperfOptions.fromPartial(options) },
  }
  return { ...whole, spec: { ...whole.spec!, label: 'example_run_id', test } }
}

const pair = (result: Partial<IperfResult> = {}): PairResult => {
  const plain = iperfPair('n1', 'n2', 9.4e9)
  const values = {
    $case: 'iperf' as const,
    value: IperfResult.fromPartial({
      outcome: Outcome.OUTCOME_MEASURED,
      bitsPerSecond: 9.4e9,
      senderBitsPerSecond: 9.5e9,
      receivedBytes: 1.175e9,
      sentBytes: 1.1875e9,
      retransmitCount: 3,
      senderCpuRatio: 0.25,
      receiverCpuRatio: 0.5,
      duration: toDuration(1),
      ...result,
    }),
  }
  return {
    ...plain,
    values,
    startTime: toTimestamp(new Date('2026-01-02T03:04:05.250Z')),
    sourceHost: hostSamples(),
  }
}

const documentsOf = (...args: Parameters<typeof renderArcaflow>) =>
  renderArcaflow(...args)
    .split('\n')
    .map((line) => JSON.parse(line))

describe('renderArcaflow', () => {
  test('a document has uuid, run_id, iperf3, metadata and pcp', () => {
    const interval = {
      start: 0,
      end: 1,
      seconds: 1,
      bytes: 1.175e9,
      bits_per_second: 9.4e9,
      omitted: false,
      sender: true,
    }
    const sent = {
      start: 0,
      end: 1,
      seconds: 1,
      bytes: 1.1875e9,
      bits_per_second: 9.5e9,
      retransmits: 3,
      sender: true,
    }
    const received = { start: 0, end: 1, seconds: 1, bytes: 1.175e9, bits_per_second: 9.4e9, sender: true }
    expect(documentsOf(run({ duration: toDuration(1), dscp: 46 }), [pair()])).toEqual([
      {
        uuid: RUN_ID,
        run_id: 'example_run_id',
        iperf3: {
          output: {
            start: {
              connected: [{ local_host: '10.0.0.1', remote_host: '10.0.0.2' }],
              version: 'iperf 3.12',
              system_info: 'Linux n1.example.org 6.1.0-18-amd64 x86_64',
              title: 'n1 net1 > n2 net1',
              timestamp: { time: 'Fri, 02 Jan 2026 03:04:05 GMT', timesecs: 1767323045 },
              connecting_to: { host: '10.0.0.2' },
              test_start: {
                protocol: 'TCP',
                num_streams: 1,
                omit: 0,
                duration: 1,
                bytes: 0,
                blocks: 0,
                reverse: 0,
                bidir: 0,
                tos: 184,
                target_bitrate: 0,
              },
            },
            intervals: [{ streams: [interval], sum: interval }],
            end: {
              streams: [{ sender: sent, receiver: received }],
              sum_sent: sent,
              sum_received: received,
              cpu_utilization_percent: { host_total: 25, remote_total: 50 },
            },
          },
        },
        metadata: {
          architecture: 'x86_64',
          fqdn: 'n1.example.org',
          kernel: '6.1.0-18-amd64',
          memtotal_mb: 24105,
          swaptotal_mb: 0,
          processor: ['0', 'AuthenticAMD', 'AMD EPYC 9654', '1', 'AuthenticAMD', 'AMD EPYC 9654'],
          processor_cores: 1,
          processor_count: 1,
          processor_threads_per_core: 2,
          product_name: 'SYS-821GE',
          product_version: 'NA',
          system_vendor: 'NA',
          uptime_seconds: 4158,
        },
        pcp: { pcp_output: PCP_SAMPLES },
      },
    ])
  })

  test('UDP results have jitter and loss under the keys of iperf3', () => {
    const [document] = documentsOf(run({ protocol: Protocol.PROTOCOL_UDP, duration: toDuration(10) }), [
      pair({ jitter: toDuration(0.00025), lossRatio: 0.015 }),
    ])
    const { start, end } = document.iperf3.output
    expect(start.test_start).toMatchObject({ protocol: 'UDP', duration: 10 })
    expect(end.sum).toMatchObject({ jitter_ms: 0.25, lost_percent: 1.5, bits_per_second: 9.4e9 })
    expect(end.sum).toEqual(end.sum_received)
  })

  test('in reverse the client receives, so its CPU is that of the receiver', () => {
    const [document] = documentsOf(run({ direction: Direction.DIRECTION_REVERSE, bytes: 1e9 }), [pair()])
    const { start, intervals, end } = document.iperf3.output
    expect(start.test_start).toMatchObject({ reverse: 1, bytes: 1e9, duration: 0 })
    expect(intervals[0].sum.sender).toBe(false)
    expect(end.sum_sent.sender).toBe(false)
    expect(end.cpu_utilization_percent).toEqual({ host_total: 50, remote_total: 25 })
  })

  test('several streams and both directions are sums in one interval', () => {
    const both = pair({ reverseBitsPerSecond: 5e9 })
    const back = { ...both.samples[0]!, reverse: true, bitsPerSecond: 5e9 }
    const bidirectional = { direction: Direction.DIRECTION_BIDIRECTIONAL, parallelCount: 4 }
    const [document] = documentsOf(run(bidirectional), [{ ...both, samples: [...both.samples, back] }])
    const { intervals, end } = document.iperf3.output
    expect(intervals).toHaveLength(1)
    expect(intervals[0]).toMatchObject({
      streams: [],
      sum: { bits_per_second: 9.4e9, sender: true },
      sum_bidir_reverse: { bits_per_second: 5e9, sender: false },
    })
    expect(end).toMatchObject({ streams: [], sum_received_bidir_reverse: { bits_per_second: 5e9 } })
  })

  test('a failed pair has an error and no figures, as in iperf3', () => {
    const failed = failedPair('n9', 'n2', Outcome.OUTCOME_REFUSED, 'iperf3: the server is busy')
    const [document] = documentsOf(run(), [failed])
    expect(document.iperf3.output).toMatchObject({
      intervals: [],
      end: {},
      error: 'refused: iperf3: the server is busy',
    })
    expect(document).toMatchObject({ metadata: {}, pcp: { pcp_output: [] } })
  })

  test('each pair is one line with its own document', () => {
    const documents = documentsOf(run(), [pair(), failedPair('n1', 'n3', Outcome.OUTCOME_NOT_RUN, '')])
    expect(documents.map(({ iperf3 }) => iperf3.output.start.title)).toEqual([
      'n1 net1 > n2 net1',
      'n1 net1 > n3 net1',
    ])
    expect(documents[1].iperf3.output.error).toBe('not_run')
  })
})

test('homogeneous converts lists with a string to lists of strings', () => {
  expect(homogeneous({ a: [1, 'x', true, 2.5], b: [1, 2.5], c: [[1, 'y']], d: null })).toEqual({
    a: ['1', 'x', 'true', '2.5'],
    b: [1, 2.5],
    c: [['1', 'y']],
    d: null,
  })
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer(), fc.string(), fc.boolean())), (list) => {
      const types = new Set((homogeneous(list) as unknown[]).map((each) => typeof each))
      expect(types.has('string') ? types.size : 1).toBeLessThanOrEqual(1)
    }),
  )
})
