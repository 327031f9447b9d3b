import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentAddress } from '../../deploy/local/processes.ts'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'
import {
  clockOffsetOption,
  createSecondCollector,
  mountSmallDisk,
  stutter,
  writeFullStore,
} from './alert-faults.ts'
import { type AlertLab, shippedAlerts, TESTED_ALERTS, UNTESTED_ALERTS, watchAlerts } from './alert-lab.ts'

const MESH = 'meshgauge.collector.v1.MeshService'

/** The agents that the second collector also uses. */
const SHARED_AGENTS = ['node-2', 'node-3']
const NODES = 6
/** Every directed pair, on two interfaces. */
const PATHS = 2 * NODES * (NODES - 1)

let fleet: TestFleet
let disk: Awaited<ReturnType<typeof mountSmallDisk>>
let other: Awaited<ReturnType<typeof createSecondCollector>>
let lab: AlertLab
/** A folder on the agents' PATH, empty at first. */
let programs: string

const ok = async (...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge(...args)
  expect([args, exitCode, stderr]).toEqual([args, 0, expect.anything()])
  return stdout
}
/** nvidia-smi of a host whose driver was updated without a reboot. */
const NVIDIA_SMI = `#!/bin/sh
echo 'Failed to initialize NVML: Driver/library version mismatch'
exit 18
`
/** The alerts with a place that the faults below cause. Any other place would be a false alert. */
const EXPECTED_PLACES = [
  'MeshgaugeAgentClockOff node-4',
  // Reported by the second collector, whose own clock is wrong.
  'MeshgaugeAgentClockOff node-2',
  'MeshgaugeAgentClockOff node-3',
  'MeshgaugeCheckNotCarriedOut node-3 gpupower',
  'MeshgaugeMeshInterfaceLossy node-4 net0',
  'MeshgaugeMeshInterfaceUnreachable node-3 net1',
  'MeshgaugeMeshInterfaceUnreachable node-5 net1',
  'MeshgaugeMeshInterfaceUnreachable node-6 net1',
  'MeshgaugeMeshNodeUnreachable node-2',
  // While the lab's collector is down, the second one knows node-3 only from node-2.
  'MeshgaugeMeshNodeUnreachable node-3',
]
const PINGS = ['--test', 'ping', '--ping-interval', '100ms', '--interface', 'net0']

test('each shipped alert is caused by a fault on a lab, or a reason is given why not', () => {
  const known = [...Object.values(TESTED_ALERTS).flat(), ...Object.keys(UNTESTED_ALERTS)]
  expect(known.sort()).toEqual(shippedAlerts().sort())
  for (const [alert, reason] of Object.entries(UNTESTED_ALERTS))
    console.log(`${alert} is not tested with a fault: ${reason}`)
})

describeLab('alerts of the ping mesh, schedules, traffic, checks and the collector itself', () => {
  beforeAll(async () => {
    programs = mkdtempSync(join(tmpdir(), 'meshgauge-programs-'))
    disk = await mountSmallDisk(32)
    fleet = await startTestFleet({
      nodes: NODES,
      settings: {
        store: join(disk.folder, 'meshgauge.db'),
        schedules: [{ name: 'mesh', mesh: { interval: '200ms', window: '1s' } }],
      },
      environment: async () => ({ PATH: `${programs}:${process.env.PATH}` }),
    })
    other = await createSecondCollector({
      default_schedules: false,
      nodes: fleet.lab.nodes
        .filter(({ name }) => SHARED_AGENTS.includes(name))
        .map((node) => ({ name: node.name, address: agentAddress(node) })),
    })
    await other.start()
    lab = await watchAlerts([fleet.http, other.http], { rangeSeconds: 20 })
  })
  afterAll(async () => {
    await lab?.close()
    await other?.close()
    fleet?.client.close()
    await fleet?.close()
    await disk?.unmount()
    if (programs) rmSync(programs, { recursive: true })
  })

  test('a healthy fleet causes no alert', async () => {
    await lab.prometheus.waitFor(`meshgauge_mesh_paths{state="up"} == ${PATHS}`)
    await lab.becomesQuiet()
    expect(await lab.alarms()).toEqual([])
  })

  test('lossy and cut interfaces, a host without a GPU driver, schedules that overlap', async () => {
    writeFileSync(join(programs, 'nvidia-smi'), NVIDIA_SMI, { mode: 0o755 })
    for (const fault of [
      'loss:node-2:net0:tx:100%',
      'loss:node-2:net1:tx:100%',
      'cut:node-3:net1:both',
      'loss:node-4:net0:both:10%',
    ])
      await fleet.fault(fault)
    const often = ['--count', '3', '--every', '2s', '--every-pair-within', '10s']
    await ok('schedules', 'add', 'often', 'mesh', ...PINGS, ...often)
    await ok('schedules', 'add', 'long', 'ring', ...PINGS, '--count', '40', '--every', '2s')
    await fleet.meshgauge('check', 'gpupower', '--nodes', 'node-3')
    await lab.haveFired([
      'MeshgaugeCheckNotCarriedOut node-3 gpupower',
      'MeshgaugeMeshInterfaceLossy node-4 net0',
      'MeshgaugeMeshPathDown',
      'MeshgaugeScheduleFailing long overlap',
    ])
    // A path is observed for a minute after its last loss, which starts here.
    await fleet.fault('loss:node-4:net0:both:0.0001%')
  })

  test('an interface that fails repeatedly', async () => {
    // Both directions to each of the others, without node-2 and node-3, whose paths are down all the time.
    const paths = 2 * (NODES - 3)
    const others = ['node-1', 'node-4', 'node-5']
    type Path = { source: { node: string }; destination: { node: string }; state: string }
    const pathsInState = async (state: string) => {
      const request = { node: 'node-6', interface: 'net1' }
      const { paths: all } = await fleet.client.call<{ paths: Path[] }>(MESH, 'ListPaths', request)
      return all.filter(
        (path) =>
          path.state === `PATH_STATE_${state}` &&
          [path.source.node, path.destination.node].some((node) => others.includes(node)),
      )
    }
    const becomes = async (state: 'UP' | 'DOWN') => {
      await fleet.fault(`loss:node-6:net1:both:${state === 'DOWN' ? '100' : '0.0001'}%`)
      await eventually(
        () => pathsInState(state),
        (found) => found.length === paths,
        120,
      )
    }
    // The alert counts a failure after a recovery.
    await becomes('DOWN')
    await becomes('UP')
    await becomes('DOWN')
    await lab.haveFired(['MeshgaugeMeshUnsteady'])
    await fleet.fault('loss:node-6:net1:both:0.0001%')
  })

  test('a collector restart while a second collector with a wrong clock uses its agents; an agent with a wrong clock', async () => {
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await other.stop()
    writeFullStore(other.store, 36 * 2 ** 20)
    const schedules = [
      { name: 'mesh', mesh: {} },
      { name: 'elsewhere', every: '1m', run: { test: 'ping', topology: 'ring' } },
    ]
    await other.start({ storage: { max_size: '64M' }, schedules }, { NODE_OPTIONS: clockOffsetOption(-600) })
    await fleet.restartAgent('node-4', { NODE_OPTIONS: clockOffsetOption(-7200) })
    const sharedDelivering = `meshgauge_mesh_streams{instance="${other.http}",state="delivering"} == ${SHARED_AGENTS.length}`
    await lab.prometheus.waitFor(sharedDelivering)
    await fleet.restartCollector()
    await fleet.untilReady()
    const traffic = ['--pairs', 'node-1:node-5', '--interface', 'net1', '--bitrate', '1M']
    await ok('traffic', 'start', 'pairs', ...traffic)
    await fleet.fault('loss:node-5:net1:both:100%')
    await lab.haveFired([
      'MeshgaugeAgentClockOff node-4',
      'MeshgaugeCoverageDebt often',
      'MeshgaugeMeshStreamMissing',
      'MeshgaugeScheduleMissed often',
      'MeshgaugeScheduleOverdue elsewhere',
      'MeshgaugeStoreNearBound',
      'MeshgaugeTrafficDead',
      'MeshgaugeUpkeepLate',
    ])
  })

  test('a disk that becomes full during a run', async () => {
    await ok('run', 'ring', ...PINGS, '--count', '50', '--detach')
    const filling = setInterval(disk.fill, 200)
    await lab
      .haveFired(['MeshgaugeMeshIngestLate', 'MeshgaugeStoreFailing'])
      .finally(() => clearInterval(filling))
    disk.free()
  })

  test('a collector that is stopped for short times', async () => {
    await stutter(await fleet.pidOf('collector'), 250, 14)
    await lab.haveFired(['MeshgaugeCollectorLate'])
  })

  test('a node and an interface that are unreachable for a minute', async () => {
    await lab.becomesFiring([
      'MeshgaugeMeshInterfaceUnreachable node-3 net1',
      'MeshgaugeMeshNodeUnreachable node-2',
      'MeshgaugeMeshPathDown',
    ])
    // One of the two collectors sees that node-3 is reachable.
    await expect.poll(() => lab.alerts('firing')).not.toContain('MeshgaugeMeshNodeUnreachable node-3')
  })

  test('all alerts end after repair, and no alert named a wrong place', async () => {
    await fleet.heal()
    rmSync(join(programs, 'nvidia-smi'))
    await ok('check', 'gpupower', '--nodes', 'node-3')
    await ok('traffic', 'stop')
    await ok('schedules', 'rm', 'long')
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await fleet.restartAgent('node-4')
    await other.start()
    await lab.becomesQuiet({ timeout: 120_000 })
    await lab.becomeResolved(TESTED_ALERTS['always-on-alerts.test.ts'])
    const places = /^Meshgauge(AgentClockOff|CheckNotCarriedOut|Mesh(Node|Interface)(Unreachable|Lossy)) /
    const named = (await lab.fired()).filter((alert) => places.test(alert))
    expect(named.filter((alert) => !EXPECTED_PLACES.includes(alert))).toEqual([])
  })
})
