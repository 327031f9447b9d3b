import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { describeLab } from '../lab/machine.ts'
import { type Alertmanager, startAlertmanager } from '../prometheus/alertmanager.ts'
import { type Prometheus, startPrometheus } from '../prometheus/prometheus.ts'
import { IPERF_MESH, pingMesh, startFleet, type TestFleet } from './fleet.ts'

const RULES = new URL('../../deploy/prometheus/rules/', import.meta.url)
type Rules = { groups: { name: string; interval?: string; rules: { for?: string }[] }[] }

/** Long enough to be seen as pending between two evaluations; the shipped rules wait for minutes. */
const FOR = '2s'

/** The rules as they are shipped, but for the waiting. */
const shippedRules = (): Rules => ({
  groups: readdirSync(RULES).flatMap((file) => {
    const { groups } = parse(readFileSync(new URL(file, RULES), 'utf8')) as Rules
    return groups.map(({ name, rules }) => ({
      name,
      rules: rules.map((rule) => (rule.for ? { ...rule, for: FOR } : rule)),
    }))
  }),
})

let fleet: TestFleet
let alertmanager: Alertmanager
let prometheus: Prometheus

/** `alert node interface direction check` of the alerts in a state. */
const alerts = async (state: 'pending' | 'firing'): Promise<string[]> => {
  const samples = await prometheus.query(`ALERTS{alertstate="${state}"}`)
  return samples
    .map(({ labels: { alertname, node, interface: name, direction, check } }) =>
      [alertname, node, name, direction, check].filter((label) => label !== undefined).join(' '),
    )
    .sort()
}
const becomesFiring = (expected: readonly string[]) =>
  expect
    .poll(() => alerts('firing'), { timeout: 30_000, interval: 200 })
    .toEqual(expect.arrayContaining([...expected]))
const becomesQuiet = () =>
  expect
    .poll(async () => [...(await alerts('pending')), ...(await alerts('firing'))], { timeout: 30_000 })
    .toEqual([])

/** What whoever is on call was told of an alert: `firing` and `resolved`, in order. */
const told = (alert: string, label: Record<string, string> = {}) =>
  alertmanager
    .notifications()
    .filter(
      ({ labels }) => labels.alertname === alert && Object.entries(label).every(([k, v]) => labels[k] === v),
    )

const measure = async () => {
  // The floor is well above what the broken link gives and well below what a sound one gives.
  const iperf = [...IPERF_MESH, '--interface', 'net1']
  await fleet.meshgauge(...iperf, '--expect', 'throughput_min=50M')
  const ping = [...pingMesh(20, '20ms'), '--interface', 'net0']
  await fleet.meshgauge(...ping)
  await fleet.meshgauge('check', 'interfaces')
}

describeLab('alerts of a lab, in a real Prometheus and a real Alertmanager', () => {
  beforeAll(async () => {
    fleet = await startFleet({ nodes: 4 })
    alertmanager = await startAlertmanager()
    prometheus = await startPrometheus({
      targets: [fleet.http],
      rules: shippedRules(),
      alertmanager: alertmanager.address,
    })
  })
  afterAll(async () => {
    await prometheus?.close()
    await alertmanager?.close()
    fleet?.client.close()
    await fleet?.close()
  })

  test('a fleet that is well alarms nobody', async () => {
    await measure()
    await prometheus.waitFor('count(meshgauge_node_throughput_bits_per_second{stat="median"} > 8e7) == 8')
    await prometheus.waitFor('count(meshgauge_check_severity{check="interfaces"} == 0) == 4')
    expect(await alerts('firing')).toEqual([])
    expect(alertmanager.notifications()).toEqual([])
  })

  test('each fault fires the alerts that are about it', async () => {
    await fleet.fault('rate:node-3:net1:tx:20mbit')
    await fleet.fault('loss:node-2:net0:both:30%')
    await fleet.inside('node-1', 'ip', 'link', 'set', 'net0', 'mtu', '1280')
    await fleet.meshgauge('check', 'interfaces', '--param', 'mtu=1500', '--nodes', 'node-1')
    await measure()
    await becomesFiring([
      'MeshgaugeCheckFailing node-1 interfaces',
      'MeshgaugeExpectationMissed',
      'MeshgaugeNodeLossy node-2 net0 rx',
      'MeshgaugeNodeLossy node-2 net0 tx',
      'MeshgaugeOneDirectionLossy node-3 net1 tx',
      'MeshgaugeThroughputBelowHistory node-3 net1 tx',
      'MeshgaugeVerdict node-3 net1 tx',
    ])
    const firing = await alerts('firing')
    expect(firing.filter((alert) => /^Meshgauge(OneDirection|Verdict).*node-(1|4)/.test(alert))).toEqual([])
  }, 90_000)

  test('a node that dies is pending, then fires, then reaches whoever is on call with what to do', async () => {
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await expect
      .poll(() => alerts('pending'), { timeout: 20_000, interval: 100 })
      .toContain('MeshgaugeNodeUnreachable node-4')
    expect(told('MeshgaugeNodeUnreachable')).toEqual([])
    await becomesFiring(['MeshgaugeNodeUnreachable node-4'])
    await expect.poll(() => told('MeshgaugeNodeUnreachable'), { timeout: 15_000 }).toHaveLength(1)
    const [{ status, labels, annotations }] = told('MeshgaugeNodeUnreachable') as [
      ReturnType<typeof told>[number],
    ]
    expect(status).toBe('firing')
    expect(labels).toMatchObject({ node: 'node-4', severity: 'critical' })
    expect(annotations.summary).toBe('The agent of node-4 does not answer')
    expect(annotations.description).toMatch(/Look whether the host is up and reachable.*meshgauge nodes/s)
  }, 60_000)

  test('what is repaired and measured again ends them all, and whoever is on call is told', async () => {
    await fleet.heal()
    await fleet.inside('node-1', 'ip', 'link', 'set', 'net0', 'mtu', '1500')
    await fleet.restartAgent('node-4')
    await prometheus.waitFor('sum(meshgauge_node_up) == 4')
    await measure()
    await fleet.meshgauge('check', 'interfaces', '--param', 'mtu=1500', '--nodes', 'node-1')
    await becomesQuiet()
    await expect
      .poll(() => told('MeshgaugeNodeUnreachable').map(({ status }) => status), { timeout: 20_000 })
      .toEqual(['firing', 'resolved'])
    expect(told('MeshgaugeVerdict', { node: 'node-3' }).map(({ status }) => status)).toContain('resolved')
  }, 90_000)

  test('a collector that is gone fires, and ends with its return', async () => {
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    await becomesFiring(['MeshgaugeCollectorDown'])
    await fleet.restartCollector()
    await becomesQuiet()
  }, 60_000)
})
