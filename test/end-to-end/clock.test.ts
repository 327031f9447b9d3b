import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

/** The path of Debian's libfaketime, which gives a process its own wall clock that a test can step. */
const libraryOf = async (): Promise<string> =>
  (await execa('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1'])).stdout.split('\n')[0]!

const STEP_SECONDS = 90
/** A path that lost probes on a busy machine is up again only after a minute without loss. */
const WAIT_SECONDS = 120
/** All directed pairs of 3 nodes, on two interfaces. */
const PATHS = 12

let fleet: TestFleet
let folder: string

/** A wall clock for one process, which `set` steps. Its child processes, such as fping, use the machine's clock. */
const createSteppedClock = async (name: string) => {
  const file = join(folder, name)
  const set = (seconds: number) => {
    // The rename is atomic: the process may read the file at any time, and must not find it empty.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    renameSync(`${file}.new`, file)
  }
  set(0)
  const environment = {
    LD_PRELOAD: await libraryOf(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_ONLY_CMDS: 'node',
  }
  return { set, environment }
}

const until = <T>(look: () => Promise<T>, good: (seen: T) => boolean) => eventually(look, good, WAIT_SECONDS)
const mesh = async () => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge('mesh')
  return { exitCode, whole: `${stdout}\n${stderr}` }
}
const untilHealthy = () =>
  until(mesh, ({ exitCode, whole }) => exitCode === 0 && whole.includes(`All ${PATHS} paths are up.`))
/** Events of injected faults. After a clock that was ahead, they remain in the queried range for some time. */
const knownEvents = new Set<string>()
const badEvents = async (): Promise<string[]> => {
  const { stdout } = await fleet.meshgauge('mesh', 'events', '--since', '10m', '--json')
  const { events } = JSON.parse(stdout) as { events: { state: string }[] }
  return events
    .filter(({ state }) => state === 'down' || state === 'lossy')
    .map((event) => JSON.stringify(event))
    .filter((event) => !knownEvents.has(event))
}
const figureOf = async (line: string): Promise<number> => {
  const text = await (await fetch(`http://${fleet.http}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(line))
      ?.split(' ')
      .at(-1),
  )
}
type Window = { startTime: string; endTime: string; sentCount: number; receivedCount: number }
const windowsOf = async (source: string, destination: string): Promise<Window[]> => {
  const args = ['--interface', 'net0', '--since', '10m', '--resolution', 'raw', '--json']
  const { stdout } = await fleet.meshgauge('mesh', 'history', source, destination, ...args)
  return (JSON.parse(stdout) as { windows: Window[] }).windows
}
/** Expects no verdict and no event until three windows per path were stored. */
const expectNoAccusation = async () => {
  const stored = () => figureOf('meshgauge_store_windows_total')
  const enough = (await stored()) + 3 * PATHS
  await until(
    async () => {
      const { exitCode, whole } = await mesh()
      // A node whose clock was stepped does not probe for a moment. That is unclear, and not a verdict.
      expect([exitCode === 0 || /^Unclear\./.test(whole), whole]).toEqual([true, whole])
      return stored()
    },
    (count) => count >= enough,
  )
  await untilHealthy()
  expect(await badEvents()).toEqual([])
}

describeLab('a step of the wall clock', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'meshgauge-clock-'))
    fleet = await startTestFleet({
      nodes: 3,
      settings: { schedules: [{ name: 'mesh', mesh: { window: '1s' } }] },
    })
  })
  afterAll(async () => {
    fleet?.client.close()
    await fleet?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test("of an agent's host: its windows keep their order and time, and nothing is accused", async () => {
    const clock = await createSteppedClock('agent')
    process.kill(await fleet.pidOf('node-3'), 'SIGTERM')
    await fleet.restartAgent('node-3', clock.environment)
    await untilHealthy()
    let windows: Window[] = []
    for (const seconds of [STEP_SECONDS, -STEP_SECONDS, 0]) {
      const stepMs = Date.now()
      clock.set(seconds)
      await expectNoAccusation()
      // The stored windows counted above may all be from other agents.
      windows = await until(
        () => windowsOf('node-3', 'node-1'),
        (found) => found.filter(({ startTime }) => Date.parse(startTime) > stepMs).length >= 3,
      )
    }
    const ends = windows.map(({ endTime }) => Date.parse(endTime))
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(ends.at(-1)).toBeLessThanOrEqual(Date.now() + 500)
    expect(windows.every(({ sentCount, receivedCount }) => sentCount === receivedCount)).toBe(true)
    // The collector reports the offset of an agent that starts with a wrong clock, and corrects its window times.
    process.kill(await fleet.pidOf('node-3'), 'SIGTERM')
    clock.set(STEP_SECONDS)
    await fleet.restartAgent('node-3', clock.environment)
    await until(
      () => figureOf('meshgauge_mesh_clock_offset_seconds{node="node-3"}'),
      (offset) => Math.abs(offset + STEP_SECONDS) < 1,
    )
    await untilHealthy()
    const later = await windowsOf('node-3', 'node-1')
    expect(Date.parse(later.at(-1)!.endTime)).toBeLessThanOrEqual(Date.now() + 500)
  })

  test("of the collector's host: nothing is accused, and the next fault is detected", async () => {
    const clock = await createSteppedClock('collector')
    process.kill(await fleet.pidOf('collector'), 'SIGTERM')
    await fleet.restartCollector(clock.environment)
    await untilHealthy()
    // A different place each time, because a path that was bad is observed for longer.
    for (const [seconds, node, name] of [
      [STEP_SECONDS, 'node-2', 'net1'],
      [0, 'node-3', 'net0'],
    ] as const) {
      clock.set(seconds)
      await expectNoAccusation()
      await fleet.fault(`cut:${node}:${name}:both`)
      await until(mesh, ({ whole }) => whole.includes(`${node} is cut off on ${name}`))
      await fleet.heal()
      await untilHealthy()
      for (const event of await badEvents()) knownEvents.add(event)
    }
  })
})
