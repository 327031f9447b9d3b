import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { IPERF_MESH, pingMesh, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'
import { type AlertLab, TESTED_ALERTS, watchAlerts } from './alert-lab.ts'

let fleet: TestFleet
let lab: AlertLab

/** Only schedules set the metric of expectations. 50 Mbit/s is above a faulty link (20), and below a healthy one (100). */
const addSchedule = async () => {
  const [, ...iperf] = [...IPERF_MESH, '--interface', 'net1', '--expect', 'throughput_min=50M']
  const yearly = ['--cron', '0 0 1 1 *']
  const { exitCode, stderr } = await fleet.meshgauge('schedules', 'add', 'floor', ...iperf, ...yearly)
  expect([exitCode, stderr]).toEqual([0, ''])
}

const measure = async () => {
  const { stdout } = await fleet.meshgauge('schedules', 'trigger', 'floor')
  await fleet.meshgauge('runs', 'show', /[0-9a-f]{8}-[0-9a-f-]+/.exec(stdout)![0])
  const ping = [...pingMesh(20, '20ms'), '--interface', 'net0']
  await fleet.meshgauge(...ping)
  await fleet.meshgauge('check', 'interfaces')
}

describeLab('alerts of a lab, in Prometheus and Alertmanager', () => {
  beforeAll(async () => {
    fleet = await startTestFleet({ nodes: 4 })
    lab = await watchAlerts([fleet.http])
    await addSchedule()
  })
  afterAll(async () => {
    await lab?.close()
    fleet?.client.close()
    await fleet?.close()
  })

  test('a healthy fleet causes no alert', async () => {
    await measure()
    await lab.prometheus.waitFor('count(meshgauge_node_throughput_bits_per_second{stat="median"} > 5e7) == 8')
    await lab.prometheus.waitFor('count(meshgauge_check_severity{check="interfaces"} == 0) == 4')
    expect(await lab.alarms()).toEqual([])
  })

  test('each fault causes its alerts', async () => {
    await fleet.fault('rate:node-3:net1:tx:20mbit')
    await fleet.fault('loss:node-2:net0:both:30%')
    await fleet.inside('node-1', 'ip', 'link', 'set', 'net0', 'mtu', '1280')
    await fleet.meshgauge('check', 'interfaces', '--param', 'mtu=1500', '--nodes', 'node-1')
    await measure()
    await lab.becomesFiring([
      'MeshgaugeCheckFailing node-1 interfaces',
      'MeshgaugeExpectationMissed floor',
      'MeshgaugeNodeLossy node-2 net0 rx',
      'MeshgaugeNodeLossy node-2 net0 tx',
      'MeshgaugeOneDirectionLossy node-3 net1 tx',
      'MeshgaugeThroughputBelowHistory node-3 net1 tx',
      'MeshgaugeVerdict node-3 net1 tx',
    ])
    const firing = await lab.alerts('firing')
    expect(firing.filter((alert) => /^Meshgauge(OneDirection|Verdict).*node-(1|4)/.test(alert))).toEqual([])
  })

  test('the alert of a dead node is pending, fires, and is notified with instructions', async () => {
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await lab.becomesFiring(['MeshgaugeNodeUnreachable node-4'])
    expect(await lab.havePended()).toContain('MeshgaugeNodeUnreachable node-4')
    await expect.poll(() => lab.notificationsOf('MeshgaugeNodeUnreachable')).not.toEqual([])
    const [{ status, labels, annotations }] = lab.notificationsOf('MeshgaugeNodeUnreachable') as [
      ReturnType<AlertLab['notificationsOf']>[number],
    ]
    expect(status).toBe('firing')
    expect(labels).toMatchObject({ node: 'node-4', severity: 'critical' })
    expect(annotations.summary).toBe('The agent of node-4 does not answer')
    expect(annotations.description).toMatch(/Check that the host is up and reachable.*meshgauge nodes/s)
  })

  test('all alerts end after repair and a new measurement, and the end is notified', async () => {
    await fleet.heal()
    await fleet.inside('node-1', 'ip', 'link', 'set', 'net0', 'mtu', '1500')
    await fleet.restartAgent('node-4')
    await lab.prometheus.waitFor('sum(meshgauge_node_up) == 4')
    await measure()
    await fleet.meshgauge('check', 'interfaces', '--param', 'mtu=1500', '--nodes', 'node-1')
    await lab.becomesQuiet()
    // A late scrape on a busy machine can end an alert for a moment, so only the last notification counts.
    const lastOf = (alert: string, node: string) => lab.notificationsOf(alert, { node }).at(-1)?.status
    await expect.poll(() => lastOf('MeshgaugeNodeUnreachable', 'node-4')).toBe('resolved')
    await expect.poll(() => lastOf('MeshgaugeVerdict', 'node-3')).toBe('resolved')
  })

  test('the alert of a dead collector fires, and ends when the collector is back', async () => {
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    await lab.becomesFiring(['MeshgaugeCollectorDown'])
    await fleet.restartCollector()
    await expect.poll(() => lab.alerts('firing')).not.toContain('MeshgaugeCollectorDown')
    await lab.becomesQuiet()
    await lab.becomeResolved(TESTED_ALERTS['alerts.test.ts'])
  })
})
