import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

type Traffic = {
  id: string
  state: string
  reason?: string
  nodes: number
  flows: number
  moving: number
  restarts: number
  askedBitsPerSecond?: number
  receivedBitsPerSecond: number
  problems: string[]
}
type Flow = {
  source: { node: string; interface: string }
  destination: { node: string; interface: string }
  port: number
  moving: boolean
  restarts: number
  reason?: string
}

const TRAFFIC = 'meshgauge.collector.v1.TrafficService'
/** All directed pairs of 4 nodes, on two interfaces. */
const FLOWS = 24
const MESH = ['traffic', 'start', 'mesh', '--bitrate', '40k', '--streams', '2', '--interval', '1s']

let fleet: TestFleet

const iperfProcesses = () => fleet.programsInside(/^\S*iperf3\b/)

const until = <T>(ask: () => Promise<T> | T, good: (seen: T) => boolean) => eventually(ask, good, 120)
const none = (found: readonly unknown[]) => found.length === 0

const json = async <T>(...args: string[]): Promise<T & { exitCode: number }> => {
  const { stdout, stderr, exitCode } = await fleet.meshgauge(...args, '--json')
  try {
    return { ...JSON.parse(stdout), exitCode }
  } catch {
    throw new Error(`not JSON (exit ${exitCode}):\n${stdout}\n${stderr}`)
  }
}
const status = async () => (await json<{ traffic: Traffic }>('traffic', 'status')).traffic
const flows = async () => (await json<{ flows: Flow[] }>('traffic', 'flows')).flows
const allMove = ({ moving, flows: count }: Traffic) => moving === count
const touches = (node: string, name?: string) => (flow: Flow) =>
  [flow.source, flow.destination].some((end) => end.node === node && (!name || end.interface === name))
const nameOf = ({ source, destination }: Flow) => `${source.node} > ${destination.node} ${source.interface}`
const start = () => json<{ traffic: Traffic }>(...MESH)

describeLab('sustained traffic on a lab of 4 hosts', () => {
  beforeAll(async () => {
    fleet = await startTestFleet({ nodes: 4 })
  })
  afterEach(async () => {
    await fleet.meshgauge('traffic', 'stop', '--all')
    await fleet.heal()
    expect(iperfProcesses()).toEqual([])
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('every flow moves and is reported, and stop leaves no process behind', async () => {
    const { traffic, exitCode } = await start()
    expect(exitCode).toBe(0)
    expect(traffic).toMatchObject({ state: 'running', nodes: 4, flows: FLOWS, moving: FLOWS, restarts: 0 })
    expect(traffic.askedBitsPerSecond).toBe(FLOWS * 2 * 40_000)
    const steady = await until(
      status,
      (seen) => seen.receivedBitsPerSecond > 0.8 * traffic.askedBitsPerSecond!,
    )
    expect(steady.receivedBitsPerSecond).toBeLessThan(1.5 * traffic.askedBitsPerSecond!)
    // A server and a client for each flow.
    expect(iperfProcesses()).toHaveLength(2 * FLOWS)
    // On a busy machine, a flow with late figures is not moving for a moment.
    await until(flows, (all) => all.length === FLOWS && all.every((flow) => flow.moving && flow.port > 0))
    await until(
      async () => (await fetch(`http://${fleet.http}/metrics`)).text(),
      (metrics) =>
        metrics.includes(`meshgauge_traffic_flows{state="moving"} ${FLOWS}`) &&
        /meshgauge_node_traffic_bits_per_second\{node="node-1",direction="rx"\} [1-9]/.test(metrics),
    )
    const answer = /^24 flows on 4 nodes: 24 moving, 1\.92 Mbit\/s requested, .* received\. Stop it with "/
    await until(
      () => fleet.meshgauge('traffic', 'status'),
      ({ stdout }) => answer.test(stdout),
    )

    const stopped = await fleet.client.call<{ traffic: { state: string } }>(TRAFFIC, 'StopTraffic', {
      trafficId: traffic.id,
    })
    // StopTraffic returns after all processes have ended.
    expect(iperfProcesses()).toEqual([])
    expect(stopped.traffic.state).toBe('TRAFFIC_STATE_STOPPED')
    const again = fleet.client.call(TRAFFIC, 'StopTraffic', { trafficId: traffic.id })
    await expect(again).rejects.toMatchObject({ details: expect.stringContaining('has ended') })
    const gone = await (await fetch(`http://${fleet.http}/metrics`)).text()
    expect(gone).not.toContain('meshgauge_node_traffic_bits_per_second{')
  })

  test('a killed process is started again and counted as a restart', async () => {
    await start()
    const client = iperfProcesses().find(({ command }) => command.includes('iperf3 -c'))!
    process.kill(client.pid, 'SIGKILL')
    await until(status, (seen) => seen.restarts > 0 && allMove(seen))
    expect((await flows()).filter(({ restarts }) => restarts > 0)).toHaveLength(1)
  })

  test('a cut interface and a killed agent stop only their own flows, with a reason', async () => {
    await start()
    const before = new Map((await flows()).map((flow) => [nameOf(flow), flow.port]))
    const isCut = touches('node-2', 'net1')
    const isOfKilled = touches('node-3')
    const dead = async () => (await flows()).filter(({ moving }) => !moving)

    await fleet.fault('cut:node-2:net1:both')
    await until(
      dead,
      (found) => found.length === 6 && found.every((flow) => isCut(flow) && (flow.reason ?? '') !== ''),
    )
    const isAboutTheCut = (problem: string) => problem.includes('node-2 net1')
    await until(status, ({ problems }) => problems.length > 0 && problems.every(isAboutTheCut))

    process.kill(await fleet.pidOf('node-3'), 'SIGKILL')
    // The two flows between node-2 and node-3 on net1 are affected by both faults.
    await until(dead, (found) => found.length === 6 + 12 - 2)
    await until(status, ({ problems }) => problems.join('\n').includes('node-3'))
    await fleet.restartAgent('node-3')
    await until(
      dead,
      (found) => found.length === 6 && found.every((flow) => isCut(flow) && (flow.reason ?? '') !== ''),
    )
    // Blocked connections are restarted, which can change the reasons.
    await until(flows, (all) => all.filter(isCut).every(({ restarts }) => restarts > 0))
    const isOfCut = (problem: string) => problem.includes('node-2')
    await until(status, ({ problems }) => problems.length > 0 && problems.every(isOfCut))

    await fleet.heal()
    await until(status, allMove)
    for (const flow of await flows()) {
      // Servers keep their ports.
      expect([nameOf(flow), flow.port]).toEqual([nameOf(flow), before.get(nameOf(flow))])
      if (isCut(flow) || isOfKilled(flow)) expect(flow.restarts).toBeGreaterThan(0)
      else expect(flow.restarts).toBe(0)
    }
  })

  test('an exclusive run refuses an interface with traffic by default, and traffic refuses a busy interface', async () => {
    const { traffic } = await start()
    const run = [
      'run',
      'ring',
      '--test',
      'iperf',
      '--duration',
      '1s',
      '--bitrate',
      '10M',
      '--interface',
      'net1',
    ]
    const refused = await fleet.meshgauge(...run)
    expect(refused.exitCode).toBe(3)
    expect(refused.stderr).toContain(`meshgauge traffic stop ${traffic.id}`)
    const allowTraffic = await fleet.json(...run, '--allow-traffic')
    expect(allowTraffic.pairs.map(({ outcome }) => outcome)).toEqual([
      'measured',
      'measured',
      'measured',
      'measured',
    ])
    await fleet.meshgauge('traffic', 'stop')

    const long = ['run', 'ring', '--test', 'iperf', '--duration', '20s', '--interface', 'net1']
    const { stdout: id } = await fleet.meshgauge(...long, '--detach')
    const busy = await fleet.meshgauge(...MESH)
    expect(busy.exitCode).toBe(3)
    expect(busy.stderr).toContain(`meshgauge runs cancel ${id}`)
    await fleet.meshgauge('runs', 'cancel', id)
    await until(iperfProcesses, none)
  })

  test('invalid options are all reported in one message and exit with 2', async () => {
    const bad = await fleet.meshgauge(
      'traffic',
      'start',
      'mesh',
      '--streams',
      '500',
      '--bitrate',
      'fast',
      '--wait',
      '5',
    )
    expect(bad.exitCode).toBe(2)
    for (const place of ['--streams', '--bitrate', '--wait']) expect(bad.stderr).toContain(place)
    const unknown = await fleet.meshgauge('traffic', 'start', 'mesh', '--interface', 'net7')
    expect(unknown.exitCode).toBe(2)
    expect(unknown.stderr).toContain('net7')
  })

  test('traffic with a duration ends automatically', async () => {
    await json(...MESH, '--duration', '3s')
    const ended = await until(status, ({ state }) => state === 'stopped')
    expect(ended.reason).toContain('its duration is over')
    await until(iperfProcesses, none)
  })

  test('kill -9 of the collector ends all traffic', async () => {
    await start()
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    await until(iperfProcesses, none)
    await fleet.restartCollector()
    expect((await json<{ traffic: Traffic[] }>('traffic', 'list')).traffic).toEqual([])
  })
})
