import { expect, test } from 'vitest'
import { HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { hostSamples, metadataOf, PCP_SAMPLES } from '../testing/host-samples.ts'
import { iperfPair, runOf } from '../testing/run-samples.ts'
import { pcpSamples, renderHostProblems } from './host-document.ts'
import { resultDocument } from './run-document.ts'

test('the document has the metadata of nodes and the samples of both hosts', () => {
  const run = runOf(RunState.RUN_STATE_COMPLETED, { nodeMetadata: { n1: metadataOf('n1.example.org') } })
  const destinationHost = HostSamples.fromPartial({ pcpProblem: 'not installed' })
  const pair = { ...iperfPair('n1', 'n2', 1e9), sourceHost: hostSamples(), destinationHost }
  const document = JSON.parse(JSON.stringify(resultDocument(run, [pair])))
  expect(document.run.nodes.n1).toEqual({
    architecture: 'x86_64',
    fqdn: 'n1.example.org',
    kernel: '6.1.0-18-amd64',
    operatingSystem: 'Debian GNU/Linux 12 (bookworm)',
    cpuModel: 'AMD EPYC 9654',
    cpuVendor: 'AuthenticAMD',
    cpuSocketCount: 1,
    cpuCoresPerSocketCount: 1,
    cpuThreadsPerCoreCount: 2,
    memoryBytes: 24684084 * 1024,
    swapBytes: 0,
    productName: 'SYS-821GE',
    uptimeSeconds: 4158.01,
    gpuCount: 0,
  })
  expect(document.pairs[0].hosts).toEqual({
    source: {
      samples: [
        {
          time: '2026-01-02T03:04:06.000Z',
          intervalSeconds: 0.5,
          cpus: [{ cpu: 0, busyRatio: 0.25, softirqRatio: 0.125, stealRatio: 0 }],
          memoryAvailableBytes: 4096,
          interfaces: [
            {
              interface: 'net1',
              receivedBytes: 1000,
              sentBytes: 2000,
              receivedPacketCount: 0,
              sentPacketCount: 0,
              receiveErrorCount: 0,
              sendErrorCount: 0,
              receiveDropCount: 0,
              sendDropCount: 0,
            },
          ],
          // A counted 0 is present; uncounted values are absent.
          tcpRetransmitCount: 0,
        },
      ],
      pcp: PCP_SAMPLES,
    },
    destination: { samples: [], pcpProblem: 'not installed' },
  })
})

test('a run without host sampling has neither', () => {
  const document = resultDocument(runOf(RunState.RUN_STATE_COMPLETED), [iperfPair('n1', 'n2', 1e9)])
  expect(document.pairs[0]!.hosts).toBeUndefined()
  expect(document.run.nodes).toBeUndefined()
})

test.each(['', 'no JSON', 'null', '{"@pcp":{}}'])('%j has no PCP samples', (json) => {
  expect(pcpSamples(json)).toBeUndefined()
})

test('nodes with the same sampling problem share a line', () => {
  const host = HostSamples.fromPartial({ pcpProblem: 'not installed' })
  const pairs = [
    { ...iperfPair('n2', 'n1', 1e9), sourceHost: host, destinationHost: host },
    { ...iperfPair('n1', 'n2', 1e9), sourceHost: HostSamples.fromPartial({ problem: 'ended\u001b[2J' }) },
  ]
  const [first, second] = renderHostProblems(pairs)
  expect(first).toBe('n1, n2: not installed')
  expect(second).toMatch(/^n1: ended/)
  expect(second).not.toContain('\u001b')
})
