import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../lab/machine.ts'
import { eventually, namespaceOf, processes, programsOf } from '../protocol/descendants.ts'
import { type Document, LAB_RATE, type Pair, startFleet, type TestFleet } from './fleet.ts'

let fleet: TestFleet

const MESH = ['run', 'mesh', '--test', 'iperf', '--duration', '1s']
const between = (document: Document, source: string, destination: string, name: string): Pair =>
  document.pairs.find(
    (pair) =>
      pair.source.node === source && pair.destination.node === destination && pair.source.interface === name,
  )!
const isFrom = (node: string, name: string) => (pair: Pair) =>
  pair.source.node === node && pair.source.interface === name

/** What must have been measured and was not, with the reasons, for a failing test to show. */
const unmeasured = (pairs: readonly Pair[]) =>
  pairs
    .filter(({ outcome }) => outcome !== 'measured')
    .map(
      ({ source, destination, outcome, reason }) =>
        `${source.node} > ${destination.node}: ${outcome}: ${reason}`,
    )
const outcomes = (pairs: readonly Pair[]) => [...new Set(pairs.map(({ outcome }) => outcome))].sort()

/** Every iperf3 and fping that runs inside this lab's namespaces, wherever it hangs in the process tree. */
const strays = () => {
  const namespaces = fleet.lab.nodes.map(({ namespace }) => statSync(`/run/netns/${namespace}`).ino)
  return processes().filter(
    ({ pid, command }) => /^\S*(iperf3|fping)\b/.test(command) && namespaces.includes(namespaceOf(pid)),
  )
}

describeLab('runs on a lab of 5 hosts', () => {
  beforeAll(async () => {
    fleet = await startFleet({ nodes: 5 })
    await fleet.client.call('meshgauge.collector.v1.FleetService', 'ListNodes', {})
  })
  afterEach(async () => {
    await fleet.heal()
    await eventually(strays, (found) => found.length === 0)
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('a healthy mesh: every pair measured, the fewest rounds, exit 0, the document as promised', async () => {
    const document = await fleet.json(...MESH, '--run-id', 'nightly 7')
    expect(document.exitCode).toBe(0)
    expect(document.run).toMatchObject({
      runId: 'nightly 7',
      state: 'completed',
      topology: 'mesh',
      test: 'iperf',
    })
    expect(document.run.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(document.plan).toEqual(
      expect.objectContaining({ nodes: 5, pairs: 40, rounds: 8, lowerBound: 8, ratio: 1 }),
    )
    expect(document.pairs).toHaveLength(40)
    expect(outcomes(document.pairs)).toEqual(['measured'])
    expect(document.summary.verdicts).toEqual([])
    for (const pair of document.pairs) {
      expect(pair.engine).toEqual({ name: 'iperf3', version: expect.stringMatching(/^3\./) })
      expect(pair.traceId).toMatch(/^[0-9a-f]{32}$/)
      expect(pair.attemptCount).toBe(1)
      expect(pair.source.address).not.toBe(pair.destination.address)
      expect(pair.iperf!.intervals!.length).toBeGreaterThan(0)
      expect(pair.iperf!.senderCpuRatio).toBeGreaterThan(0)
      expect(pair.iperf!.receiverCpuRatio).toBeGreaterThan(0)
      expect(pair.iperf!.bitsPerSecond).toBeGreaterThan(0.7 * LAB_RATE)
      expect(pair.iperf!.bitsPerSecond).toBeLessThan(1.02 * LAB_RATE)
    }
  })

  test('a ping mesh has loss, round-trip times and jitter of every pair', async () => {
    const document = await fleet.json(
      'run',
      'mesh',
      '--test',
      'ping',
      '--count',
      '20',
      '--ping-interval',
      '50ms',
    )
    expect(document.exitCode).toBe(0)
    expect(document.pairs).toHaveLength(40)
    for (const { ping, outcome } of document.pairs) {
      expect(outcome).toBe('measured')
      expect(ping).toMatchObject({ sentCount: 20, receivedCount: 20, lossRatio: 0 })
      const { min, avg, p50, p99, max } = ping!.rttSeconds as Record<
        'min' | 'avg' | 'p50' | 'p99' | 'max',
        number
      >
      expect([min, avg, p50, p99, max].every((value) => value > 0 && value < 0.5)).toBe(true)
      expect(min).toBeLessThanOrEqual(avg)
      expect(avg).toBeLessThanOrEqual(max)
      expect(p50).toBeLessThanOrEqual(p99)
    }
  })

  test('tc by hand on a host: its transmit side is named, with the rate that was set', async () => {
    const limit = ['rate', '30mbit', 'burst', '64kb', 'latency', '50ms']
    await fleet.inside('node-3', 'tc', 'qdisc', 'replace', 'dev', 'net1', 'root', 'tbf', ...limit)
    const document = await fleet.json(...MESH)
    await fleet.inside('node-3', 'tc', 'qdisc', 'del', 'dev', 'net1', 'root')
    expect(document.exitCode).toBe(1)
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ kind: 'interface', node: 'node-3', interface: 'net1', direction: 'tx' }),
    ])
    for (const pair of document.pairs.filter(isFrom('node-3', 'net1'))) {
      expect(pair.iperf!.bitsPerSecond / 30e6).toBeGreaterThan(0.9)
      expect(pair.iperf!.bitsPerSecond / 30e6).toBeLessThan(1.1)
      expect(pair.attemptCount).toBe(2)
    }
    // What node-3 receives waits for acknowledgements that the same queue holds up, unless it is measured alone.
    const rest = document.pairs.filter((pair) => !isFrom('node-3', 'net1')(pair))
    expect(rest.filter(({ iperf }) => iperf!.bitsPerSecond < 0.5 * LAB_RATE)).toEqual([])
  })

  test('nft by hand in the switch: loss is measured within its confidence interval and named', async () => {
    const port = fleet.portOf('node-2', 'net0')
    const rules = `table netdev by_hand {
      chain lossy {
        type filter hook ingress device "${port}" priority 0
        numgen random mod 100 < 20 drop
      }
    }`
    await fleet.inSwitch('nft', rules)
    const document = await fleet.json(
      'run',
      'mesh',
      '--test',
      'ping',
      '--count',
      '100',
      '--ping-interval',
      '20ms',
    )
    await fleet.inSwitch('nft', 'delete table netdev by_hand')
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ node: 'node-2', interface: 'net0' }),
    ])
    expect(document.exitCode).toBe(1)
    const touched = document.pairs.filter(
      ({ source, destination }) =>
        source.interface === 'net0' && [source.node, destination.node].includes('node-2'),
    )
    const sent = touched.reduce((sum, { ping }) => sum + ping!.sentCount, 0)
    const lost = touched.reduce((sum, { ping }) => sum + ping!.sentCount - ping!.receivedCount, 0)
    // Five standard deviations of a binomial.
    expect(Math.abs(lost / sent - 0.2)).toBeLessThan(5 * Math.sqrt((0.2 * 0.8) / sent))
    const rest = document.pairs.filter((pair) => !touched.includes(pair))
    expect(rest.every(({ ping }) => ping!.lossRatio === 0)).toBe(true)
  })

  test('ip link down by hand: unreachable, never 0, and the interface is named', async () => {
    await fleet.inside('node-4', 'ip', 'link', 'set', 'net0', 'down')
    const document = await fleet.json(
      'run',
      'mesh',
      '--test',
      'ping',
      '--count',
      '5',
      '--ping-interval',
      '200ms',
    )
    await fleet.inside('node-4', 'ip', 'link', 'set', 'net0', 'up')
    const touched = document.pairs.filter(
      ({ source, destination }) =>
        source.interface === 'net0' && [source.node, destination.node].includes('node-4'),
    )
    expect(touched).toHaveLength(8)
    expect(outcomes(touched)).toEqual(['unreachable'])
    expect(unmeasured(document.pairs.filter((pair) => !touched.includes(pair)))).toEqual([])
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ node: 'node-4', interface: 'net0' }),
    ])
    expect(document.exitCode).toBe(1)
  })

  test('an MTU black hole shows only to large packets that may not be fragmented', async () => {
    await fleet.fault('mtu:node-1:net1:tx:1400')
    const size = [
      '--ping-interval',
      '100ms',
      '--count',
      '5',
      '--interface',
      'net1',
      '--dont-fragment',
      '--size',
    ]
    const small = await fleet.json('run', 'mesh', '--test', 'ping', ...size, '56')
    const large = await fleet.json('run', 'mesh', '--test', 'ping', ...size, '1450')
    expect(outcomes(small.pairs)).toEqual(['measured'])
    expect(between(large, 'node-1', 'node-2', 'net1').outcome).toBe('unreachable')
    expect(between(large, 'node-2', 'node-3', 'net1').outcome).toBe('measured')
    expect(large.summary.verdicts).toEqual([expect.objectContaining({ node: 'node-1', interface: 'net1' })])
  })

  test('a matrix from text lists of addresses, as the fifth seed has it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgauge-lists-'))
    const [one, two, three] = fleet.lab.nodes
    writeFileSync(
      join(folder, 'clients.txt'),
      `# clients\n${one!.interfaces[0]!.address}\n${two!.management}  # by its agent\n`,
    )
    writeFileSync(join(folder, 'servers.txt'), `${three!.name}\n${one!.interfaces[1]!.address}\n`)
    const lists = [join(folder, 'clients.txt'), join(folder, 'servers.txt')]
    const document = await fleet.json(
      'run',
      '--matrix',
      ...lists,
      '--test',
      'iperf',
      '--duration',
      '1s',
      '--interface',
      'net0',
    )
    rmSync(folder, { recursive: true })
    const pairs = document.pairs.map(({ source, destination }) => `${source.node}>${destination.node}`).sort()
    expect(pairs).toEqual(['node-1>node-3', 'node-2>node-1', 'node-2>node-3'])
    expect(document.exitCode).toBe(0)
  })

  test('two runs that want the same interfaces wait for each other, and both measure all', async () => {
    const [first, second] = await Promise.all([
      fleet.json(...MESH, '--interface', 'net0'),
      fleet.json(...MESH, '--interface', 'net0'),
    ])
    expect(outcomes([...first.pairs, ...second.pairs])).toEqual(['measured'])
    const [a, b] = [first, second].sort((x, y) => x.run.startTime.localeCompare(y.run.startTime))
    expect(Date.parse(b!.run.startTime)).toBeGreaterThanOrEqual(Date.parse(a!.run.endTime) - 1)
  })

  test('an agent killed in mid-test costs only its own pairs', async () => {
    const running = fleet.json(...MESH, '--interface', 'net0', '--duration', '2s')
    const victim = await fleet.pidOf('node-5')
    await eventually(
      () => programsOf(victim),
      (found) => found.length > 0,
    )
    process.kill(victim, 'SIGKILL')
    const document = await running
    await fleet.restartAgent('node-5')
    expect(document.run.state).toBe('completed')
    expect(document.pairs).toHaveLength(20)
    const touched = document.pairs.filter(({ source, destination }) =>
      [source.node, destination.node].includes('node-5'),
    )
    const rest = document.pairs.filter((pair) => !touched.includes(pair))
    expect(unmeasured(rest)).toEqual([])
    const lost = touched.filter(({ outcome }) => outcome !== 'measured')
    expect(lost.length).toBeGreaterThan(0)
    for (const { outcome, reason, iperf } of lost) {
      expect(['invalid', 'not_run']).toContain(outcome)
      expect(reason).toMatch(/node-5/)
      expect(iperf?.bitsPerSecond).toBeUndefined()
    }
    // A lost agent is no proof against a network.
    expect(document.summary.verdicts).toEqual([])
    expect(document.exitCode).toBe(3)
  })

  test('a link cut in mid-run: the run ends, its pairs fail, nobody else does', async () => {
    const running = fleet.json(...MESH, '--interface', 'net1', '--duration', '2s')
    await eventually(strays, (found) => found.length > 0)
    await fleet.fault('cut:node-2:net1:both')
    const document = await running
    expect(document.run.state).toBe('completed')
    const touched = document.pairs.filter(({ source, destination }) =>
      [source.node, destination.node].includes('node-2'),
    )
    expect(unmeasured(document.pairs.filter((pair) => !touched.includes(pair)))).toEqual([])
    const failed = touched.filter(({ outcome }) => outcome !== 'measured')
    expect(failed.length).toBeGreaterThan(0)
    expect(outcomes(failed).every((outcome) => ['timed_out', 'unreachable'].includes(outcome))).toBe(true)
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ node: 'node-2', interface: 'net1' }),
    ])
  }, 180_000)

  test('cancel stops what is under way and keeps what was measured', async () => {
    const running = fleet.json(...MESH, '--interface', 'net0', '--duration', '2s')
    await eventually(strays, (found) => found.length > 0)
    type Runs = { runs: { id: string; progress?: { measuredCount?: number } }[] }
    const service = 'meshgauge.collector.v1.RunService'
    let id = ''
    for (let done = 0; done < 5; ) {
      const { runs } = await fleet.client.call<Runs>(service, 'ListRuns', { pageSize: 1 })
      id = runs[0]!.id
      done = runs[0]!.progress?.measuredCount ?? 0
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const cancelled = await fleet.meshgauge('runs', 'cancel', id.slice(0, 13))
    expect([cancelled.exitCode, cancelled.stderr]).toEqual([0, ''])
    const document = await running
    expect(document.run.state).toBe('cancelled')
    expect(outcomes(document.pairs)).toEqual(['measured', 'not_run'])
    expect(document.pairs).toHaveLength(20)
  })

  test('the collector killed in mid-run: agents stop, a restart marks the run interrupted and keeps what was acknowledged', async () => {
    const service = 'meshgauge.collector.v1.RunService'
    type Created = { run: { id: string } }
    type Watched = { results?: { source: { node: string }; destination: { node: string } }[] }
    const spec = {
      runId: 'to be killed',
      topology: { kind: 'TOPOLOGY_KIND_MESH' },
      iperf: { options: { duration: { seconds: 1 } } },
      interfaces: ['net0'],
    }
    const { run } = await fleet.client.call<Created>(service, 'CreateRun', { spec })
    const acknowledged: string[] = []
    try {
      for await (const { results } of fleet.client.stream<Watched>(service, 'WatchRun', { id: run.id })) {
        for (const { source, destination } of results ?? [])
          acknowledged.push(`${source.node}>${destination.node}`)
        if (acknowledged.length >= 8) process.kill(await fleet.pidOf('collector'), 'SIGKILL')
      }
    } catch {
      // The stream breaks with the collector.
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(8)
    await eventually(strays, (found) => found.length === 0)
    await fleet.restartCollector()
    const { stdout } = await fleet.meshgauge('runs', 'show', run.id, '--json')
    const document = JSON.parse(stdout) as Document
    expect(document.run.state).toBe('interrupted')
    const kept = document.pairs
      .filter(({ outcome }) => outcome === 'measured')
      .map(({ source, destination }) => `${source.node}>${destination.node}`)
    expect(kept).toEqual(expect.arrayContaining(acknowledged))
  })

  test('bad wishes: every problem in one message, exit 2, nothing begun', async () => {
    const before = (await fleet.meshgauge('runs', 'list', '--json')).stdout
    const bad = await fleet.meshgauge(
      'run',
      'mesh',
      '--test',
      'iperf',
      '--duration',
      '5 mins',
      '--parallel',
      '0',
      '--bitrate',
      'fast',
    )
    expect(bad.exitCode).toBe(2)
    for (const option of ['--duration', '--parallel', '--bitrate']) expect(bad.stderr).toContain(option)
    const unknown = await fleet.meshgauge(
      'run',
      'mesh',
      '--test',
      'ping',
      '--nodes',
      'nod-1,node-2,rack=r9',
      '--interface',
      'net7',
    )
    expect(unknown.exitCode).toBe(2)
    for (const word of ['nod-1', 'did you mean node-1', 'rack=r9']) expect(unknown.stderr).toContain(word)
    expect((await fleet.meshgauge('runs', 'list', '--json')).stdout).toBe(before)
  })

  test('no collector: exit 3 and where it was looked for', async () => {
    const { exitCode, stderr } = await fleet.meshgauge('nodes', '--collector', '127.0.0.1:9')
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/127\.0\.0\.1:9/)
  })
})
