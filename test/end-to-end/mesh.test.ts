import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

type Event = {
  time: string
  seenTime: string
  source: { node: string; interface?: string }
  destination?: { node: string }
  state: string
}
type MeshOutput = { exitCode: number | undefined; first: string; whole: string }

const NODES = ['node-1', 'node-2', 'node-3', 'node-4']
/** A path that lost probes on a busy machine is up again only after a minute without loss. */
const WAIT_SECONDS = 90

let fleet: TestFleet
/** When the first of two simultaneous faults began. */
let faultMs: number

const mesh = async (): Promise<MeshOutput> => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge('mesh')
  return { exitCode, first: stdout.split('\n')[0]!, whole: `${stdout}\n${stderr}` }
}
/** Like `eventually`. A fault is detected within seconds; the long timeout is for busy machines. */
const until = <T>(look: () => Promise<T>, good: (seen: T) => boolean) => eventually(look, good, WAIT_SECONDS)
const untilHealthy = () =>
  until(mesh, ({ exitCode, first }) => exitCode === 0 && first.startsWith('Healthy.'))
const MESH = 'meshgauge.collector.v1.MeshService'
const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse((await fleet.meshgauge(...args, '--json')).stdout) as T
const eventsSince = async (sinceMs: number): Promise<Event[]> => {
  const { events } = await json<{ events: Event[] }>('mesh', 'events', '--since', '10m')
  return events.filter(({ seenTime }) => Date.parse(seenTime) >= sinceMs)
}
/** Waits for stored events. A state change is stored up to a second later. */
const untilSeen = async (sinceMs: number, good: (events: Event[]) => boolean) =>
  until(() => eventsSince(sinceMs), good)
/** The distinct paths that have an event with this state. */
const pathsWithEvent = (events: readonly Event[], wanted: string): string[] => [
  ...new Set(
    events
      .filter(({ state, destination }) => state === wanted && destination)
      .map(({ source, destination }) => `${source.node} > ${destination!.node} ${source.interface}`),
  ),
]
const verdicts = async () => (await json<{ verdicts: { message: string }[] }>('mesh')).verdicts
type Stamp = { seconds: number; nanos?: number }
const msOf = ({ seconds, nanos = 0 }: Stamp) => seconds * 1000 + nanos / 1e6

/** The gaps and overlaps of more than 60 ms between consecutive windows of a path, in milliseconds. */
const gapsOf = async (source: string, destination: string, name: string, sinceMs: number) => {
  const { windows = [] } = await fleet.client.call<{ windows?: { startTime: Stamp; endTime: Stamp }[] }>(
    MESH,
    'GetPathHistory',
    { source, destination, interface: name, resolution: 'RESOLUTION_RAW' },
  )
  const ms = windows
    .map(({ startTime, endTime }) => ({ start: msOf(startTime), end: msOf(endTime) }))
    .filter(({ end }) => end >= sinceMs)
  const gaps = ms.slice(1).map(({ start }, index) => start - ms[index]!.end)
  return { gaps: gaps.filter((gap) => Math.abs(gap) > 60), last: ms.at(-1)?.end ?? 0, count: ms.length }
}
const fpings = (nodes = NODES) => fleet.programsInside(/^\S*fping\b/, nodes).map(({ command }) => command)

describeLab('the ping mesh of 4 hosts with the default configuration', () => {
  beforeAll(async () => {
    fleet = await startTestFleet({ nodes: 4, settings: { default_schedules: true } })
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  test('runs at once and is healthy', async () => {
    const { first } = await untilHealthy()
    expect(first).toBe('Healthy. All 24 paths are up.')
  })

  test('reports an interface whose sent packets are lost, with its direction', async () => {
    faultMs = Date.now()
    await fleet.fault('loss:node-2:net1:tx:100%')
    const bad = await until(mesh, ({ exitCode }) => exitCode === 1)
    await until(mesh, ({ first }) => first.includes('node-2 cannot be reached on net1'))
    // The first verdict may be based on few pairs. It is complete some seconds later.
    const named =
      /^✘ node-2 cannot be reached on net1: 6 of 6 pairs fail\. Net0 is fine\..*what it sends gets lost/
    const { exitCode } = await until(mesh, ({ first }) => named.test(first))
    expect([bad.exitCode, exitCode]).toEqual([1, 1])
    const events = await untilSeen(faultMs, (seen) => pathsWithEvent(seen, 'down').length >= 6)
    const down = events.filter(({ state }) => state === 'down')
    expect(down).toHaveLength(6)
    for (const { time, seenTime, source, destination } of down) {
      expect([source.node, destination!.node]).toContain('node-2')
      expect(source.interface).toBe('net1')
      expect(Date.parse(time)).toBeGreaterThanOrEqual(faultMs - 100)
      expect(Date.parse(seenTime)).toBeGreaterThanOrEqual(Date.parse(time))
    }
  })

  test('reports a second interface that is down with the reason of its agent, and recovers from both', async () => {
    await fleet.inside('node-3', 'ip', 'link', 'set', 'net0', 'down')
    const named =
      'node-3 is cut off on net0: its agent says "net0 is down", and none of its 3 peers reaches it.'
    await until(verdicts, (found) => found.some(({ message }) => message === named))
    expect((await verdicts()).map(({ message }) => message)).toContainEqual(
      expect.stringContaining('node-2 cannot be reached on net1'),
    )
    await fleet.heal()
    await fleet.inside('node-3', 'ip', 'link', 'set', 'net0', 'up')
    await untilHealthy()
    // node-3 counts no probes that it cannot send, so only the paths to node-3 were down.
    await untilSeen(faultMs, (seen) => {
      const [down, up] = [pathsWithEvent(seen, 'down'), pathsWithEvent(seen, 'up')]
      return down.length >= 6 + 3 && down.every((path) => up.includes(path))
    })
  })

  test('a killed collector leaves no gap in the stored windows', async () => {
    const beforeMs = Date.now()
    process.kill(await fleet.pidOf('collector'), 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 3000))
    await fleet.restartCollector()
    const backMs = Date.now()
    await untilHealthy()
    for (const source of NODES) {
      for (const destination of NODES.filter((name) => name !== source)) {
        for (const name of ['net0', 'net1']) {
          const look = () => gapsOf(source, destination, name, beforeMs)
          const { gaps } = await until(look, ({ last }) => last > backMs)
          expect([source, destination, name, gaps]).toEqual([source, destination, name, []])
        }
      }
    }
    // Events are stored before windows, so all events of the restart are stored now.
    expect((await eventsSince(beforeMs)).filter(({ state }) => state !== 'up')).toEqual([])
  })

  test('a killed agent is reported as silent, and continues after a restart', async () => {
    const killMs = Date.now()
    process.kill(await fleet.pidOf('node-1'), 'SIGKILL')
    await untilSeen(killMs, (events) =>
      events.some(({ source, state }) => source.node === 'node-1' && state === 'stale'),
    )
    const silent = await mesh()
    // What the node sends is not observed, so the answer is not healthy.
    expect(silent.exitCode).toBe(3)
    expect(silent.first).toMatch(/^Unclear\. Nobody observed node-1 net0 sends, node-1 net1 sends\./)
    expect(silent.whole).toContain('node-1 does not deliver: ')
    await fleet.restartAgent('node-1')
    await untilHealthy()
    const events = await untilSeen(killMs, (seen) => seen.some(({ state }) => state === 'up'))
    expect(events.map(({ source, destination, state }) => [source.node, destination, state])).toEqual([
      ['node-1', undefined, 'up'],
      ['node-1', undefined, 'stale'],
    ])
  })

  test('a removed node has no paths, series or probes any more', async () => {
    const file = join(fleet.lab.stateDir, 'fleet.yaml')
    const config = parse(readFileSync(file, 'utf8')) as { nodes: { name: string }[] }
    const series = async () => {
      const text = await (await fetch(`http://${fleet.http}/metrics`)).text()
      return text.split('\n').filter((line) => line.includes('"node-4"'))
    }
    expect(await series()).not.toEqual([])
    config.nodes = config.nodes.filter(({ name }) => name !== 'node-4')
    writeFileSync(file, stringify(config))
    const reloaded = await fleet.meshgauge('reload')
    expect([reloaded.exitCode, reloaded.stdout]).toEqual([0, expect.stringContaining('node-4')])
    await until(mesh, ({ first }) => first === 'Healthy. All 12 paths are up.')
    await until(series, (lines) => lines.length === 0)
    expect(
      await eventually(
        () => fpings(['node-4']),
        (found) => found.length === 0,
      ),
    ).toEqual([])
    // A new target list starts a new fping. The old one ends when the new one has probed all targets.
    await eventually(
      () => fpings(),
      (found) => found.length === 6,
    )
  })

  test('agents that stop leave no fping process behind', async () => {
    for (const node of NODES) process.kill(await fleet.pidOf(node), 'SIGTERM')
    expect(
      await eventually(
        () => fpings(),
        (found) => found.length === 0,
      ),
    ).toEqual([])
  })
})
