import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentAddress } from '../../deploy/local/processes.ts'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'
import { clockOff, mountDisk, startOtherCollector, stutter, writeFullStore } from './alert-faults.ts'
import { type AlertLab, FIRED, NOT_BY_FAULTS, shippedAlerts, watchAlerts } from './alert-lab.ts'

const MESH = 'meshgauge.collector.v1.MeshService'

/** What another collector takes. */
const TAKEN = ['node-2', 'node-3']
/** Of 6 nodes with two interfaces. */
const NODES = 6
const PATHS = 2 * NODES * (NODES - 1)

let fleet: TestFleet
let disk: Awaited<ReturnType<typeof mountDisk>>
let other: Awaited<ReturnType<typeof startOtherCollector>>
let lab: AlertLab
/** On the agents' PATH, and empty. */
let programs: string

const ok = async (...args: string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge(...args)
  expect([args, exitCode, stderr]).toEqual([args, 0, expect.anything()])
  return stdout
}
/** As of a host whose driver was updated and not loaded again. */
const SMI = `#!/bin/sh
echo 'Failed to initialize NVML: Driver/library version mismatch'
exit 18
`
/** Where there is a fault that is about the place. */
const WHERE = [
  'MeshgaugeAgentClockOff node-4',
  // By the clock of the other collector, which is wrong itself.
  'MeshgaugeAgentClockOff node-2',
  'MeshgaugeAgentClockOff node-3',
  'MeshgaugeCheckNotCarriedOut node-3 gpupower',
  'MeshgaugeMeshInterfaceLossy node-4 net0',
  'MeshgaugeMeshInterfaceUnreachable node-3 net1',
  'MeshgaugeMeshInterfaceUnreachable node-5 net1',
  'MeshgaugeMeshInterfaceUnreachable node-6 net1',
  'MeshgaugeMeshNodeUnreachable node-2',
  // While the lab's own collector is away: the other one knows it from node-2 alone.
  'MeshgaugeMeshNodeUnreachable node-3',
]
const PINGS = ['--test', 'ping', '--ping-interval', '100ms', '--interface', 'net0']

test('each alert that is shipped is fired by a fault on a lab, or it is said why it cannot be', () => {
  const known = [...Object.values(FIRED).flat(), ...Object.keys(NOT_BY_FAULTS)]
  expect(known.sort()).toEqual(shippedAlerts().sort())
  for (const [alert, reason] of Object.entries(NOT_BY_FAULTS))
    console.log(`${alert} is not fired here: ${reason}`)
})

describeLab('alerts of what is measured all the time, and of the collector itself', () => {
  beforeAll(async () => {
    programs = mkdtempSync(join(tmpdir(), 'meshgauge-programs-'))
    disk = await mountDisk(32)
    fleet = await startTestFleet({
      nodes: NODES,
      settings: {
        store: join(disk.folder, 'meshgauge.db'),
        schedules: [{ name: 'mesh', mesh: { interval: '200ms', window: '1s' } }],
      },
      environment: async () => ({ PATH: `${programs}:${process.env.PATH}` }),
    })
    other = await startOtherCollector({
      default_schedules: false,
      nodes: fleet.lab.nodes
        .filter(({ name }) => TAKEN.includes(name))
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

  test('a fleet that is well alarms nobody', async () => {
    await lab.prometheus.waitFor(`meshgauge_mesh_paths{state="up"} == ${PATHS}`)
    await lab.becomesQuiet()
    expect(await lab.alarms()).toEqual([])
  })

  test('interfaces that lose some or all, a host without its driver, schedules that cannot be kept', async () => {
    writeFileSync(join(programs, 'nvidia-smi'), SMI, { mode: 0o755 })
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
    // It is watched for a minute after its last loss.
    await fleet.fault('loss:node-4:net0:both:0.0001%')
  })

  test('an interface that comes and goes', async () => {
    // There and back, but for node-2 and node-3: those are bad all the time.
    const paths = 2 * (NODES - 3)
    const others = ['node-1', 'node-4', 'node-5']
    type Path = { source: { node: string }; destination: { node: string }; state: string }
    const pathsThatAre = async (state: string) => {
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
        () => pathsThatAre(state),
        (found) => found.length === paths,
        120,
      )
    }
    // Bad again after it has been well: that is what is counted.
    await becomes('DOWN')
    await becomes('UP')
    await becomes('DOWN')
    await lab.haveFired(['MeshgaugeMeshUnsteady'])
    await fleet.fault('loss:node-6:net1:both:0.0001%')
  })

  test('a collector that was away while another of a wrong clock took its agents; an agent of a wrong clock', async () => {
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await other.stop()
    writeFullStore(other.store, 36 * 2 ** 20)
    const schedules = [
      { name: 'mesh', mesh: {} },
      { name: 'elsewhere', every: '1m', run: { test: 'ping', topology: 'ring' } },
    ]
    await other.start({ storage: { max_size: '64M' }, schedules }, { NODE_OPTIONS: clockOff(-600) })
    await fleet.restartAgent('node-4', { NODE_OPTIONS: clockOff(-7200) })
    const taken = `meshgauge_mesh_streams{instance="${other.http}",state="delivering"} == ${TAKEN.length}`
    await lab.prometheus.waitFor(taken)
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

  test('a disk that is full in the middle of a run', async () => {
    await ok('run', 'ring', ...PINGS, '--count', '50', '--detach')
    const filling = setInterval(disk.fill, 200)
    await lab
      .haveFired([
        'MeshgaugeMeshIngestLate',
        'MeshgaugeResultsDropped store',
        'MeshgaugeRunsFailing',
        'MeshgaugeStoreFailing',
      ])
      .finally(() => clearInterval(filling))
    disk.free()
  })

  test('a host that has no time for its collector', async () => {
    await stutter(await fleet.pidOf('collector'), 250, 14)
    await lab.haveFired(['MeshgaugeCollectorLate'])
  })

  test('what nobody reaches for a minute', async () => {
    await lab.becomesFiring([
      'MeshgaugeMeshInterfaceUnreachable node-3 net1',
      'MeshgaugeMeshNodeUnreachable node-2',
      'MeshgaugeMeshPathDown',
    ])
    // Of two collectors one sees that it is reached.
    await expect.poll(() => lab.alerts('firing')).not.toContain('MeshgaugeMeshNodeUnreachable node-3')
  })

  test('what is repaired ends them all', async () => {
    await fleet.heal()
    rmSync(join(programs, 'nvidia-smi'))
    await ok('check', 'gpupower', '--nodes', 'node-3')
    await ok('traffic', 'stop')
    await ok('schedules', 'rm', 'long')
    process.kill(await fleet.pidOf('node-4'), 'SIGKILL')
    await fleet.restartAgent('node-4')
    await other.start()
    await lab.becomesQuiet({ timeout: 120_000 })
    await lab.becomesTold(FIRED['always-on-alerts.test.ts'])
    const places = /^Meshgauge(AgentClockOff|CheckNotCarriedOut|Mesh(Node|Interface)(Unreachable|Lossy)) /
    const named = (await lab.fired()).filter((alert) => places.test(alert))
    expect(named.filter((alert) => !WHERE.includes(alert))).toEqual([])
  })
})
