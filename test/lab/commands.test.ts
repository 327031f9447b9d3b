import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeLab } from '../testing/lab.ts'
import { LAB_RATE, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

const MESHGAUGE = fileURLToPath(import.meta.resolve('../../cli/meshgauge'))

/** Runs a command that is not told which collector to ask. */
const meshgauge = (...args: string[]) =>
  execa(MESHGAUGE, args, { reject: false, stdin: 'ignore', env: { MESHGAUGE_COLLECTOR: '' } })

/** No test and no user creates a lab with the last number. */
const ABSENT = '63'

describeLab('commands with several labs', () => {
  let fleets: TestFleet[] = []
  beforeAll(async () => {
    fleets = [await startTestFleet({ nodes: 2 }), await startTestFleet({ nodes: 3 })]
  })
  afterAll(async () => {
    for (const fleet of fleets) {
      fleet.client.close()
      await fleet.close()
    }
  })

  test('a command that names no collector lists those of all labs, and asks none', async () => {
    const { exitCode, stderr, stdout } = await meshgauge('nodes')
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/--collector {2}is missing: \d+ labs run a collector: /)
    for (const { address, lab } of fleets) expect(stderr).toContain(`${address} (lab ${lab.index})`)
  })

  test('nodes names the collector that it asked, and the speed to which the interfaces are shaped', async () => {
    const [fleet] = fleets
    const { stdout } = await fleet!.meshgauge('nodes', '--json')
    const { nodes } = JSON.parse(stdout) as {
      nodes: { interfaces: { name: string; speedBitsPerSecond: number }[] }[]
    }
    for (const { interfaces } of nodes)
      expect(interfaces.map(({ name, speedBitsPerSecond }) => [name, speedBitsPerSecond])).toEqual([
        ['net0', LAB_RATE],
        ['net1', LAB_RATE],
      ])
    expect((await fleet!.meshgauge('nodes')).stdout).toContain(`collector ${fleet!.address}`)
  })

  test('down of a lab that does not exist removes nothing, and says so', async () => {
    const { exitCode, stderr, stdout } = await meshgauge('lab', 'down', '--index', ABSENT)
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain(`there is no lab ${ABSENT}; there are labs `)
  })

  test('heal names the faults that it removed, and says when there were none', async () => {
    const [{ lab }] = fleets as [TestFleet]
    const index = String(lab.index)
    const run = async (...args: string[]) => (await meshgauge('lab', ...args, '--index', index)).stdout
    expect(await run('heal')).toBe(`Lab ${index} had no faults.`)
    await run('fault', 'loss:node-2:net0:rx:10%', 'cut:node-1:net1:both')
    expect(await run('heal', 'loss:node-2:net0:rx')).toBe(
      `Removed from lab ${index}: loss:node-2:net0:rx:10%\nStill active: cut:node-1:net1:tx, cut:node-1:net1:rx`,
    )
    expect(await run('heal')).toBe(`Removed from lab ${index}: cut:node-1:net1:tx, cut:node-1:net1:rx`)
  })

  test('runs cancel waits until the run is cancelled; a test that it cuts short is invalid, not "not run"', async () => {
    const [, fleet] = fleets as [TestFleet, TestFleet]
    const { stdout } = await fleet.meshgauge(
      'run',
      'ring',
      '--test',
      'iperf',
      '--duration',
      '60s',
      '--detach',
    )
    await expect.poll(() => fleet.programsInside(/iperf3 -c/).length).toBeGreaterThan(0)
    // Until a client has reported its start, its pair has not begun.
    await expect
      .poll(async () => (await fleet.inside('node-1', 'ss', '-Hnt', 'state', 'established')).stdout)
      .toContain(':')
    const shortId = stdout.slice(0, 13)
    const cancelled = await fleet.meshgauge('runs', 'cancel', shortId)
    expect([cancelled.exitCode, cancelled.stdout]).toEqual([
      0,
      `Run ${stdout} is cancelled. 0 of 6 pairs were measured; their results are stored.`,
    ])
    const { pairs } = await fleet.json('runs', 'show', shortId)
    const outcomes = new Set(pairs.map(({ outcome, reason }) => `${outcome}: ${reason}`))
    expect(outcomes).toContain('invalid: cancelled during the test')
    expect(
      [...outcomes].filter((each) => !/^(invalid: cancelled during|not_run: cancelled$)/.test(each)),
    ).toEqual([])
  })
})
