import { expect, test } from 'vitest'
import { describeLab } from '../lab/machine.ts'
import { eventually, programsOf } from '../protocol/descendants.ts'
import { outcomes, unmeasured, useFiveHosts } from './five-hosts.ts'
import { type Document, IPERF_MESH } from './fleet.ts'

describeLab('runs on a lab of 5 hosts that are broken off', () => {
  const hosts = useFiveHosts()

  test('an agent killed in mid-test costs only its own pairs', async () => {
    const running = hosts.fleet.json(...IPERF_MESH, '--interface', 'net0', '--duration', '2s')
    const victim = await hosts.fleet.pidOf('node-5')
    await hosts.untilRunning()
    await eventually(
      () => programsOf(victim),
      (found) => found.length > 0,
    )
    process.kill(victim, 'SIGKILL')
    const document = await running
    await hosts.fleet.restartAgent('node-5')
    await hosts.fleet.untilReady()
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
    // Each pair of the cut node takes until it is given up: with four nodes these are as few as can accuse it.
    const nodes = ['node-1', 'node-2', 'node-3', 'node-4'].join(',')
    // So long that the cut comes in the first of the three rounds, also on a busy machine.
    const longer = ['--nodes', nodes, '--duration', '3s']
    const running = hosts.fleet.json(...IPERF_MESH, '--interface', 'net1', ...longer)
    await hosts.untilRunning()
    await eventually(hosts.strays, (found) => found.length > 0)
    await hosts.fleet.fault('cut:node-2:net1:both')
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
  })

  test('cancel stops the tests in progress and keeps measured results', async () => {
    // Two tests at a time: 15 of the 20 pairs are left when the cancel is sent, 16 s or more of work.
    const slowly = ['--duration', '2s', '--total-cap', '2']
    const running = hosts.fleet.json(...IPERF_MESH, '--interface', 'net0', ...slowly)
    const { id } = await hosts.untilRunning({ measuredCount: 5 })
    const cancelled = await hosts.fleet.meshgauge('runs', 'cancel', id.slice(0, 13))
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
      label: 'to be killed',
      topology: { kind: 'TOPOLOGY_KIND_MESH' },
      iperf: { options: { duration: { seconds: 3 } } },
      interfaces: ['net0'],
    }
    const { run } = await hosts.fleet.client.call<Created>(service, 'CreateRun', { spec })
    const acknowledged: string[] = []
    try {
      for await (const { results } of hosts.fleet.client.stream<Watched>(service, 'WatchRun', {
        runId: run.id,
      })) {
        for (const { source, destination } of results ?? [])
          acknowledged.push(`${source.node}>${destination.node}`)
        // After the first of four rounds, so that it is in the middle however late this comes.
        if (acknowledged.length >= 5) process.kill(await hosts.fleet.pidOf('collector'), 'SIGKILL')
      }
    } catch {
      // The stream breaks with the collector.
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(5)
    await eventually(hosts.strays, (found) => found.length === 0)
    await hosts.fleet.restartCollector()
    const { stdout } = await hosts.fleet.meshgauge('runs', 'show', run.id, '--json')
    const document = JSON.parse(stdout) as Document
    expect(document.run.state).toBe('interrupted')
    const kept = document.pairs
      .filter(({ outcome }) => outcome === 'measured')
      .map(({ source, destination }) => `${source.node}>${destination.node}`)
    expect(kept).toEqual(expect.arrayContaining(acknowledged))
  })
})
