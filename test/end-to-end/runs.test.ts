import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { IPERF_MESH, LAB_RATE, pingMesh } from '../testing/test-fleet.ts'
import { between, isFrom, outcomes, unmeasured, useFiveHostFleet } from './five-host-fleet.ts'

describeLab('runs on a lab of 5 hosts', () => {
  const hosts = useFiveHostFleet()

  test('a healthy mesh measures every pair in the minimum number of rounds and exits with 0', async () => {
    const document = await hosts.fleet.json(...IPERF_MESH, '--label', 'nightly 7')
    expect(document.exitCode).toBe(0)
    expect(document.run).toMatchObject({
      label: 'nightly 7',
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
      // On a busy machine a slow pair is measured again.
      expect([1, 2]).toContain(pair.attemptCount)
      expect(pair.source.address).not.toBe(pair.destination.address)
      expect(pair.iperf!.intervals!.length).toBeGreaterThan(0)
      expect(pair.iperf!.senderCpuRatio).toBeGreaterThan(0)
      expect(pair.iperf!.receiverCpuRatio).toBeGreaterThan(0)
      expect(pair.iperf!.bitsPerSecond).toBeGreaterThan(0.5 * LAB_RATE)
      expect(pair.iperf!.bitsPerSecond).toBeLessThan(1.02 * LAB_RATE)
    }
  })

  test('a ping mesh returns loss and round-trip times of every pair', async () => {
    const document = await hosts.fleet.json(...pingMesh(20, '50ms'))
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

  test('a rate limit set with tc on a host is measured, and its transmit direction is the culprit', async () => {
    const limit = ['rate', '30mbit', 'burst', '64kb', 'latency', '50ms']
    await hosts.fleet.inside('node-3', 'tc', 'qdisc', 'replace', 'dev', 'net1', 'root', 'tbf', ...limit)
    const document = await hosts.fleet.json(...IPERF_MESH)
    await hosts.fleet.inside('node-3', 'tc', 'qdisc', 'del', 'dev', 'net1', 'root')
    expect(document.exitCode).toBe(1)
    expect(document.summary.verdicts).toEqual([
      expect.objectContaining({ kind: 'interface', node: 'node-3', interface: 'net1', direction: 'tx' }),
    ])
    for (const pair of document.pairs.filter(isFrom('node-3', 'net1'))) {
      expect(pair.iperf!.bitsPerSecond / 30e6).toBeGreaterThan(0.9)
      expect(pair.iperf!.bitsPerSecond / 30e6).toBeLessThan(1.1)
      expect(pair.attemptCount).toBe(2)
    }
    // The limited queue also delays node-3's acknowledgements, so its receive tests are repeated alone.
    const rest = document.pairs.filter((pair) => !isFrom('node-3', 'net1')(pair))
    expect(rest.filter(({ iperf }) => iperf!.bitsPerSecond < 0.5 * LAB_RATE)).toEqual([])
  })

  test('loss set with nft in the switch is measured within its confidence interval, and the interface is the culprit', async () => {
    const port = hosts.fleet.portOf('node-2', 'net0')
    const rules = `table netdev by_hand {
      chain lossy {
        type filter hook ingress device "${port}" priority 0
        numgen random mod 100 < 20 drop
      }
    }`
    await hosts.fleet.inSwitch('nft', rules)
    const document = await hosts.fleet.json(...pingMesh(100, '20ms'))
    await hosts.fleet.inSwitch('nft', 'delete table netdev by_hand')
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
    // Five standard deviations of a binomial distribution.
    expect(Math.abs(lost / sent - 0.2)).toBeLessThan(5 * Math.sqrt((0.2 * 0.8) / sent))
    const rest = document.pairs.filter((pair) => !touched.includes(pair))
    expect(rest.every(({ ping }) => ping!.lossRatio === 0)).toBe(true)
  })

  test('an interface that is down is unreachable, without a value, and is the culprit', async () => {
    await hosts.fleet.inside('node-4', 'ip', 'link', 'set', 'net0', 'down')
    const document = await hosts.fleet.json(...pingMesh(5, '200ms'))
    await hosts.fleet.inside('node-4', 'ip', 'link', 'set', 'net0', 'up')
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

  test('an MTU black hole is detected only with large packets that may not be fragmented', async () => {
    await hosts.fleet.fault('mtu:node-1:net1:tx:1400')
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
    const small = await hosts.fleet.json('run', 'mesh', '--test', 'ping', ...size, '56')
    const large = await hosts.fleet.json('run', 'mesh', '--test', 'ping', ...size, '1450')
    expect(outcomes(small.pairs)).toEqual(['measured'])
    expect(between(large, 'node-1', 'node-2', 'net1').outcome).toBe('unreachable')
    expect(between(large, 'node-2', 'node-3', 'net1').outcome).toBe('measured')
    expect(large.summary.verdicts).toEqual([expect.objectContaining({ node: 'node-1', interface: 'net1' })])
  })

  test('--matrix reads clients and servers from text files of addresses or names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgauge-lists-'))
    const [one, two, three] = hosts.fleet.lab.nodes
    writeFileSync(
      join(folder, 'clients.txt'),
      `# clients\n${one!.interfaces[0]!.address}\n${two!.management}  # by its agent\n`,
    )
    writeFileSync(join(folder, 'servers.txt'), `${three!.name}\n${one!.interfaces[0]!.address}\n`)
    const lists = [join(folder, 'clients.txt'), join(folder, 'servers.txt')]
    const document = await hosts.fleet.json(
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

  test('two runs on the same interfaces run one after the other, and both measure all pairs', async () => {
    const [first, second] = await Promise.all([
      hosts.fleet.json(...IPERF_MESH, '--interface', 'net0'),
      hosts.fleet.json(...IPERF_MESH, '--interface', 'net0'),
    ])
    expect(outcomes([...first.pairs, ...second.pairs])).toEqual(['measured'])
    const [a, b] = [first, second].sort((x, y) => x.run.startTime.localeCompare(y.run.startTime))
    expect(Date.parse(b!.run.startTime)).toBeGreaterThanOrEqual(Date.parse(a!.run.endTime) - 1)
  })

  test('invalid options are all reported in one message, exit with 2 and start no run', async () => {
    const before = (await hosts.fleet.meshgauge('runs', 'list', '--json')).stdout
    const bad = await hosts.fleet.meshgauge(
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
    const unknown = await hosts.fleet.meshgauge(
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
    expect((await hosts.fleet.meshgauge('runs', 'list', '--json')).stdout).toBe(before)
  })

  test('an unreachable collector exits with 3 and names its address', async () => {
    const { exitCode, stderr } = await hosts.fleet.meshgauge('nodes', '--collector', '127.0.0.1:9')
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/127\.0\.0\.1:9/)
  })
})
