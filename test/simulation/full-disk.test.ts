import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { healthyNetwork } from './agents.ts'
import { iperfMesh, type Simulation, startSimulation } from './simulation.ts'

let folder: string
let simulation: Simulation | undefined
let mounted = false

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-disk-'))
  const mount = execaSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { reject: false })
  mounted = !mount.failed
})
afterEach(async () => {
  await simulation?.close()
  simulation = undefined
  if (mounted) execaSync('umount', ['--lazy', folder])
  rmSync(folder, { recursive: true, force: true })
})

const fill = () => {
  try {
    for (let part = 0; ; part++) writeFileSync(join(folder, `filler-${part}`), Buffer.alloc(16 * 1024))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
const makeRoom = () => execaSync('sh', ['-c', `rm -f ${folder}/filler-*`])

describe('a disk that is full in mid-run', () => {
  test('results wait and are stored once there is room; /healthz says why meanwhile', async ({ skip }) => {
    if (!mounted) skip('no small file system can be mounted')
    simulation = await startSimulation(12, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.3,
    })
    const running = simulation.run(iperfMesh)
    await new Promise((resolve) => setTimeout(resolve, 700))
    fill()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const unwell = await simulation.healthz()
    makeRoom()
    const run = await running
    expect(unwell.status).toBe(503)
    expect(unwell.body).toMatch(/disk is full/)
    expect(run.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect((await simulation.results(run)).length).toBe(132)
    expect((await simulation.healthz()).status).toBe(200)
  })

  test('when it stays full the run fails and says why, and who watches has every result all the same', async ({
    skip,
  }) => {
    if (!mounted) skip('no small file system can be mounted')
    simulation = await startSimulation(8, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.2,
    })
    const running = simulation.run(iperfMesh)
    await new Promise((resolve) => setTimeout(resolve, 400))
    fill()
    const run = await running
    expect(run.state).toBe(RunState.RUN_STATE_FAILED)
    expect(run.stateReason).toMatch(/disk is full/)
    expect(simulation.watched(run)).toBe(56)
  })

  test('a run that cannot even be noted is refused, and nothing begins', async ({ skip }) => {
    if (!mounted) skip('no small file system can be mounted')
    simulation = await startSimulation(4, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.2,
    })
    fill()
    await expect(simulation.run(iperfMesh)).rejects.toThrow(/disk is full/)
  })
})
