import { expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { type Document, IPERF_MESH } from '../testing/test-fleet.ts'
import { outcomes, unmeasured, useFiveHostFleet } from './five-host-fleet.ts'

describeLab('interrupted runs on a lab of 5 hosts', () => {
  const hosts = useFiveHostFleet()

  test('an agent killed during a test affects only its own pairs', async () => {
    const running = hosts.fleet.json(...IPERF_MESH, '--interface', 'net0', '--duration', '2s')
    const victim = await hosts.fleet.pidOf('node-5')
    await hosts.untilRunning()
    await eventually(
      () => measuringProgramsOf(victim),
      (found) => found.length > 0,
    )
    process.kill(victim, 'SIGKILL')
    const document = await running
    await hosts.fleet.restartAgent('node-5')
    await hosts.fleet.untilReady()
    expect(document.run.state).toBe('completed')
    expect(document.pairs).toHaveLength(20)
    const affected = document.pairs.filter(({ source, destination }) =>
      [source.node, destination.node].includes('node-5'),
    )
    const rest = document.pairs.filter((pair) => !affected.includes(pair))
    expect(unmeasured(rest)).toEqual([])
    const lost = affected.filter(({ outcome }) => outcome !== 'measured')
    expect(lost.length).toBeGreaterThan(0)
    for (const { outcome, reason, iperf } of lost) {
      expect(['invalid', 'not_run']).toContain(outcome)
      expect(reason).toMatch(/node-5/)
      expect(iperf?.bitsPerSecond).toBeUndefined()
    }
    // A lost agent is no evidence against the network.
    expect(document.summary.verdicts).toEqual([])
    expect(document.exitCode).toBe(3)
  })

  test('a link cut during a run fails only its own pairs, and the run completes', async () => {
    // Each pair of the cut node takes until its timeout. Four nodes are the fewest with enough evidence for a verdict.
    const nodes = ['node-1', 'node-2', 'node-3', 'node-4'].join(',')
    // 3 s per test, so that the cut is in the first of three rounds, also on a busy machine.
    const longer = ['--nodes', nodes, '--duration', '3s']
    const running = hosts.fleet.json(...IPERF_MESH, '--interface', 'net1', ...longer)
    await hosts.untilRunning()
    await eventually(hosts.measuringPrograms, (found) => found.length > 0)
    await hosts.fleet.fault('cut:node-2:net1:both')
    const document = await running
    expect(document.run.state).toBe('completed')
    const affected = document.pairs.filter(({ source, destination }) =>
      [source.node, destination.node].includes('node-2'),
    )
    expect(unmeasured(document.pairs.filter((pair) => !affected.includes(pair)))).toEqual([])
    const failed = affected.filter(({ outcome }) => outcome !== 'measured')
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
    // A pair that was cancelled after it began is invalid.
    expect(outcomes(document.pairs)).toEqual(expect.arrayContaining(['measured', 'not_run']))
    expect(['invalid', 'measured', 'not_run']).toEqual(expect.arrayContaining(outcomes(document.pairs)))
    expect(document.pairs).toHaveLength(20)
  })

  test('when the collector is killed, agents stop; after a restart the run is interrupted and has all watched results', async () => {
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
    const watched: string[] = []
    try {
      for await (const { results } of hosts.fleet.client.stream<Watched>(service, 'WatchRun', {
        runId: run.id,
      })) {
        for (const { source, destination } of results ?? [])
          watched.push(`${source.node}>${destination.node}`)
        // After the first of four rounds, so that the run is still in progress.
        if (watched.length >= 5) process.kill(await hosts.fleet.pidOf('collector'), 'SIGKILL')
      }
    } catch {
      // The stream breaks with the collector.
    }
    expect(watched.length).toBeGreaterThanOrEqual(5)
    await eventually(hosts.measuringPrograms, (found) => found.length === 0)
    await hosts.fleet.restartCollector()
    const { stdout } = await hosts.fleet.meshgauge('runs', 'show', run.id, '--json')
    const document = JSON.parse(stdout) as Document
    expect(document.run.state).toBe('interrupted')
    const kept = document.pairs
      .filter(({ outcome }) => outcome === 'measured')
      .map(({ source, destination }) => `${source.node}>${destination.node}`)
    expect(kept).toEqual(expect.arrayContaining(watched))
  })
})
