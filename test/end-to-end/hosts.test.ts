import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { pcpConf } from '../testing/pcp.ts'
import { type Document, LAB_RATE, type Pair, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

let fleet: TestFleet

type Link = { interface: string; receivedBytes: number; sentBytes: number }
type Sample = { intervalSeconds: number; interfaces: Link[]; tcpRetransmitCount: number; cpus: unknown[] }
type Host = { samples: Sample[]; problem?: string; pcp?: unknown[]; pcpProblem?: string }
type Sampled = Pair & {
  iperf: { sentBytes: number; receivedBytes: number; retransmitCount: number }
  hosts: { source: Host; destination: Host }
}
type SampledDocument = Omit<Document, 'pairs' | 'run'> & {
  pairs: Sampled[]
  run: Document['run'] & { nodes: Record<string, Record<string, unknown>> }
  exitCode: number
}

const ONE_PAIR = ['run', 'pairs', '--pairs', 'node-1:node-2', '--test', 'iperf', '--interface', 'net0']

/** Far below the lab's rate, so that buffers are empty when the test ends. iperf3 also counts bytes in buffers. */
const PACED = ['--duration', '3s', '--bitrate', '50M']

const measure = (...args: string[]) =>
  fleet.json(...ONE_PAIR, ...args) as Promise<unknown> as Promise<SampledDocument>

const total = (host: Host, name: string, what: 'receivedBytes' | 'sentBytes'): number =>
  host.samples
    .flatMap(({ interfaces }) => interfaces.filter((link) => link.interface === name))
    .reduce((sum, link) => sum + link[what], 0)

const retransmits = ({ samples }: Host): number =>
  samples.reduce((sum, { tcpRetransmitCount }) => sum + tcpRetransmitCount, 0)

describeLab('host sampling on a lab of 3 hosts', () => {
  beforeAll(async () => {
    const environment = async (): Promise<Record<string, string>> => (pcpConf ? { PCP_CONF: pcpConf } : {})
    fleet = await startTestFleet({ nodes: 3, environment })
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('interface counters agree with iperf3 at both ends, and other interfaces carry nothing', async () => {
    const { run, pairs } = await measure(...PACED, '--sample-hosts', '500ms')
    expect(Object.keys(run.nodes).sort()).toEqual(['node-1', 'node-2'])
    expect(run.nodes['node-1']).toMatchObject({
      architecture: expect.any(String),
      kernel: expect.any(String),
      cpuModel: expect.any(String),
      memoryBytes: expect.any(Number),
      uptimeSeconds: expect.any(Number),
      gpuCount: expect.any(Number),
    })
    const [{ iperf, hosts }] = pairs as [Sampled]
    const { source, destination } = hosts
    // iperf3 counts payload. An interface also counts headers and the control connection: 3 to 5 % more.
    expect(total(source, 'net0', 'sentBytes') / iperf.sentBytes).toBeGreaterThan(0.98)
    expect(total(source, 'net0', 'sentBytes') / iperf.sentBytes).toBeLessThan(1.08)
    expect(total(destination, 'net0', 'receivedBytes') / iperf.receivedBytes).toBeGreaterThan(0.98)
    expect(total(destination, 'net0', 'receivedBytes') / iperf.receivedBytes).toBeLessThan(1.08)
    for (const host of [source, destination]) {
      expect(host.problem).toBeUndefined()
      // A busy agent may skip samples.
      expect(host.samples.length).toBeGreaterThan(1)
      expect(total(host, 'net1', 'sentBytes') + total(host, 'net1', 'receivedBytes')).toBeLessThan(100_000)
      const covered = host.samples.reduce((sum, { intervalSeconds }) => sum + intervalSeconds, 0)
      expect(covered).toBeGreaterThanOrEqual(3)
      expect(host.samples.some(({ cpus }) => cpus.length > 0)).toBe(true)
    }
  })

  test('packets that the lab drops appear as retransmits of the sending host', async () => {
    await fleet.fault('loss:node-2:net0:rx:2%')
    try {
      const { pairs } = await measure('--duration', '3s', '--sample-hosts')
      const [{ iperf, hosts }] = pairs as [Sampled]
      expect(iperf.retransmitCount).toBeGreaterThan(10)
      expect(retransmits(hosts.source) / iperf.retransmitCount).toBeGreaterThan(0.9)
      expect(retransmits(hosts.source) / iperf.retransmitCount).toBeLessThan(1.2)
      expect(retransmits(hosts.destination)).toBeLessThan(0.1 * iperf.retransmitCount)
    } finally {
      await fleet.heal()
    }
  })

  test('GetRun returns node metadata, and ListRuns does not', async () => {
    const RUNS = 'meshgauge.collector.v1.RunService'
    type Run = { nodeMetadata?: Record<string, unknown> }
    const { run } = await fleet.client.call<{ run: Run }>(RUNS, 'GetRun', { runId: 'latest' })
    expect(Object.keys(run.nodeMetadata ?? {})).toHaveLength(2)
    const { runs } = await fleet.client.call<{ runs: Run[] }>(RUNS, 'ListRuns', {})
    expect(runs.map(({ nodeMetadata }) => nodeMetadata)).toEqual(runs.map(() => undefined))
  })

  test('host sampling of a ping run is refused before the run starts', async () => {
    const typed = await fleet.meshgauge('run', 'ring', '--test', 'ping', '--sample-hosts')
    expect(typed.exitCode).toBe(2)
    expect(typed.stderr).toContain('--sample-hosts')
    const spec = {
      topology: { kind: 'TOPOLOGY_KIND_RING' },
      ping: {},
      hostSampling: { interval: { nanos: 1e7 } },
    }
    const error = await fleet.client
      .call('meshgauge.collector.v1.RunService', 'CreateRun', { spec })
      .catch((failure: Error) => failure)
    expect(String(error)).toContain('host_sampling: hosts are sampled while an iperf measures')
    expect(String(error)).toContain('host_sampling.interval: 0.01 s is too short; at least 0.1 s')
  })

  const testPcp = pcpConf ? test : test.skip
  testPcp(
    `an export has the format of the Arcaflow workflow${pcpConf ? '' : ' (skipped: Performance Co-Pilot is not installed)'}`,
    async () => {
      const sampled = ['--sample-hosts', '500ms', '--sample-source', 'pcp']
      const { run, pairs } = await measure(...PACED, '--label', 'example_run_id', ...sampled)
      const { hosts } = pairs[0]!
      expect([hosts.source.pcpProblem, hosts.destination.pcpProblem]).toEqual([undefined, undefined])
      expect(hosts.destination.pcp!.length).toBeGreaterThan(4)
      const { stdout, stderr, exitCode } = await fleet.meshgauge(
        'runs',
        'export',
        'latest',
        '--format',
        'arcaflow',
      )
      expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
      const document = JSON.parse(stdout)
      expect(Object.keys(document)).toEqual(['uuid', 'run_id', 'iperf3', 'metadata', 'pcp'])
      expect(document).toMatchObject({ uuid: run.id, run_id: 'example_run_id' })
      expect(document.iperf3.output.start.version).toMatch(/^iperf 3\./)
      expect(document.iperf3.output.intervals.length).toBeGreaterThan(1)
      const { sum_received } = document.iperf3.output.end
      expect(sum_received.bits_per_second).toBeGreaterThan(45e6)
      expect(document.metadata).not.toHaveProperty('env')
      // net0 exists only in the host's network namespace, so the recording is of that namespace.
      type Instances = { '@instances': { name: string; value: number }[] }
      const rates = (
        document.pcp.pcp_output as { network?: { interface: { out: { bytes: Instances } } } }[]
      ).flatMap(
        ({ network }) =>
          network?.interface.out.bytes['@instances'].find(({ name }) => name === 'net0')?.value ?? [],
      )
      expect(rates.length).toBeGreaterThanOrEqual(5)
      expect((Math.max(...rates) * 8) / sum_received.bits_per_second).toBeGreaterThan(0.9)
      // After a delay on a busy machine, queued data is sent at the rate of the interface at most.
      expect(Math.max(...rates) * 8).toBeLessThan(1.3 * LAB_RATE)
    },
  )
})
