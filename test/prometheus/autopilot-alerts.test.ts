import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import {
  dcgm,
  gpumem,
  gpupower,
  pciebw,
  ping,
  remapped,
  resultOf,
  skipped,
} from '../../collector/autopilot/testing/results.ts'
import { type FakeFleet, startFakeFleet } from '../testing/fake-check-fleet.ts'
import { type Prometheus, startPrometheus } from '../testing/prometheus-server.ts'

const CHECKS = ['dcgm', 'gpumem', 'gpupower', 'pciebw', 'ping', 'pvc', 'remapped']

type Rule = { alert: string; expr: string; for: string }
type Rules = { groups: { name: string; rules: Rule[] }[] }

/** Alert rules of Autopilot users, with short waiting times. */
const rules = parse(readFileSync(new URL('fixtures/autopilot-alerts.yaml', import.meta.url), 'utf8')) as Rules
for (const { rules: group } of rules.groups) for (const rule of group) rule.for = '0s'

const healthyResults: Record<string, CheckResult> = {
  dcgm: dcgm(1),
  gpumem: gpumem(true),
  gpupower: gpupower([false, false]),
  pciebw: pciebw([12.3, 12]),
  ping: ping({ 'node-9': true }),
  pvc: resultOf('pvc', CheckStatus.CHECK_STATUS_PASS),
  remapped: remapped([false, false]),
}

const failedResults: Record<string, CheckResult> = {
  ...healthyResults,
  dcgm: dcgm(1, ['PCIe']),
  gpumem: gpumem(false),
  gpupower: gpupower([false, true]),
  pciebw: pciebw([12.3, 3.5]),
  pvc: resultOf('pvc', CheckStatus.CHECK_STATUS_FAIL),
  remapped: remapped([true, false]),
}

let fleet: FakeFleet
let prometheus: Prometheus

beforeAll(async () => {
  fleet = await startFakeFleet({ nodes: 3, checks: CHECKS, script: (check) => healthyResults[check] })
  prometheus = await startPrometheus({ targets: [fleet.http()], rules })
})
afterAll(async () => {
  await prometheus?.close()
  await fleet?.close()
})

/** Waits until the firing alerts, as `alert node device`, are the expected ones. */
const firing = (expected: readonly string[]) =>
  expect
    .poll(async () => {
      const samples = await prometheus.query('ALERTS{alertstate="firing"}')
      return samples
        .map(({ labels }) =>
          [labels.alertname, labels.node, labels.deviceid].filter((label) => label !== undefined).join(' '),
        )
        .sort()
    })
    .toEqual(expected)

const checkAll = () => fleet.meshgauge('check', 'all')

test('a healthy fleet causes no alert', async () => {
  expect((await checkAll()).exitCode).toBe(0)
  await prometheus.waitFor('count(autopilot_health_checks) == 3 * 10')
  await prometheus.evaluated(1)
  await firing([])
  const models = await prometheus.waitFor(
    'count by (cpumodel, gpumodel) (autopilot_health_checks{node=~"node-.",health=~"dcgm|gpumem|ping|pvc"})',
  )
  expect(models).toEqual([
    { labels: { cpumodel: 'IntelR Xeon(R) Gold 6258R', gpumodel: 'NVIDIA A100-SXM4-80GB' }, value: 12 },
  ])
})

test('each rule fires for its fault, and only on the faulty node', async () => {
  fleet.agent('node-2').setScript((check) => failedResults[check])
  for (const name of ['node-1', 'node-3'])
    fleet
      .agent(name)
      .setScript((check) =>
        check === 'ping' ? ping({ 'node-2': false, 'node-9': true }) : healthyResults[check],
      )
  expect((await checkAll()).exitCode).toBe(1)
  await firing([
    'AutopilotDCGMErrors node-2',
    'AutopilotGPUPowerSlowdownEnabled node-2 1',
    'AutopilotLowPCIeBandwidth node-2 1',
    'AutopilotPVCAlert node-2',
    'AutopilotPingFailures node-2',
    'AutopilotRemappedRowsActive node-2 0',
  ])
  // After a late scrape on a busy machine, Prometheus has no series for a moment.
  const [low] = await prometheus.waitFor(
    'autopilot_health_checks{health="pciebw",node="node-2",deviceid="1"}',
  )
  expect(low!.value).toBe(3.5)
  const [gpumem] = await prometheus.waitFor('autopilot_health_checks{health="gpumem"} == 1')
  expect(gpumem!.labels).toMatchObject({
    node: 'node-2',
    deviceid: '0',
  })
})

test('a skipped check and a collector restart end no alert', async () => {
  fleet.agent('node-2').setScript((check) => skipped(check, 'nvidia-smi is not installed'))
  await checkAll()
  await fleet.restart('SIGKILL')
  await expect.poll(fleet.metrics).toMatch(/autopilot_health_checks\{health="dcgm",node="node-2",.*\} 1/)
  expect(await fleet.metrics()).toMatch(/meshgauge_check_severity\{node="node-2",check="dcgm"\} 3/)
})

test('passing checks end the alerts', async () => {
  for (const agent of fleet.agents.values()) agent.setScript((check) => healthyResults[check])
  await checkAll()
  expect(await fleet.metrics()).not.toMatch(/autopilot_health_checks\{health="(?!pciebw).*\} 1\n/)
})
