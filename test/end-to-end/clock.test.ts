import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../lab/machine.ts'
import { startFleet, type TestFleet } from './fleet.ts'

/** Debian's libfaketime: a time of day of its own for a process, which can be set while that runs. */
const libraryOf = async (): Promise<string> =>
  (await execa('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1'])).stdout.split('\n')[0]!

const STEP_SECONDS = 90
const WAIT_SECONDS = 60

let fleet: TestFleet
let folder: string

/** The time of day of a process, apart from everybody else's. Its programs, such as fping, keep the machine's. */
const ownClock = async (name: string) => {
  const file = join(folder, name)
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`)
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

const until = async <T>(what: string, look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> => {
  const end = performance.now() + WAIT_SECONDS * 1000
  for (;;) {
    const seen = await look()
    if (good(seen)) return seen
    if (performance.now() > end) throw new Error(`not so: ${what}: ${JSON.stringify(seen)}`)
    await sleep(200)
  }
}
const mesh = async () => {
  const { exitCode, stdout, stderr } = await fleet.meshgauge('mesh')
  return { exitCode, whole: `${stdout}\n${stderr}` }
}
const untilHealthy = () =>
  until(
    'all is well',
    mesh,
    ({ exitCode, whole }) => exitCode === 0 && whole.includes('12 of 12 paths are up'),
  )
const badEvents = async (): Promise<unknown[]> => {
  const { stdout } = await fleet.meshgauge('mesh', 'events', '--since', '10m', '--json')
  const { events } = JSON.parse(stdout) as { events: { state: string }[] }
  return events.filter(({ state }) => state === 'down' || state === 'lossy')
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
/** Looks for so long that nobody is accused. */
const nobodyIsAccused = async (seconds: number) => {
  for (let look = 0; look < seconds; look++) {
    const { exitCode, whole } = await mesh()
    expect([exitCode, whole]).toEqual([0, whole])
    await sleep(1000)
  }
  expect(await badEvents()).toEqual([])
}

describeLab('clocks that are stepped', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'meshgauge-clock-'))
    fleet = await startFleet({
      nodes: 3,
      settings: { schedules: [{ name: 'mesh', mesh: { window: '2s' } }] },
    })
  })
  afterAll(async () => {
    fleet?.client.close()
    await fleet?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test("of an agent's host: its figures keep their places, and nobody is accused", async () => {
    const clock = await ownClock('agent')
    process.kill(await fleet.pidOf('node-3'), 'SIGTERM')
    await fleet.restartAgent('node-3', clock.environment)
    await untilHealthy()
    const startMs = Date.now()
    for (const seconds of [STEP_SECONDS, -STEP_SECONDS, 0]) {
      clock.set(seconds)
      await nobodyIsAccused(4)
    }
    const windows = await until(
      'its windows go on',
      () => windowsOf('node-3', 'node-1'),
      (found) => Date.parse(found.at(-1)?.endTime ?? '') > startMs + 10_000,
    )
    const ends = windows.map(({ endTime }) => Date.parse(endTime))
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(ends.at(-1)).toBeLessThanOrEqual(Date.now() + 500)
    expect(windows.every(({ sentCount, receivedCount }) => sentCount === receivedCount)).toBe(true)
    // An agent that starts with a wrong clock says by how much; its windows are placed by ours all the same.
    process.kill(await fleet.pidOf('node-3'), 'SIGTERM')
    clock.set(STEP_SECONDS)
    await fleet.restartAgent('node-3', clock.environment)
    await until(
      'the offset is shown',
      () => figureOf('meshgauge_mesh_clock_offset_seconds{node="node-3"}'),
      (offset) => Math.abs(offset + STEP_SECONDS) < 1,
    )
    await untilHealthy()
    const later = await windowsOf('node-3', 'node-1')
    expect(Date.parse(later.at(-1)!.endTime)).toBeLessThanOrEqual(Date.now() + 500)
  })

  test("of the collector's host: nobody is accused, and the next fault is seen", async () => {
    const clock = await ownClock('collector')
    process.kill(await fleet.pidOf('collector'), 'SIGTERM')
    await fleet.restartCollector(clock.environment)
    await untilHealthy()
    for (const seconds of [STEP_SECONDS, 0]) {
      clock.set(seconds)
      await nobodyIsAccused(5)
      await fleet.fault('cut:node-2:net1:both')
      await until('it is named', mesh, ({ whole }) => whole.includes('node-2 is cut off on net1'))
      await fleet.heal()
      await untilHealthy()
    }
  })
})
