import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { type FakeAgentFleet, iperfMesh, startFakeAgentFleet } from './fake-agent-fleet.ts'
import { healthyNetwork } from './fake-agents.ts'

let folder: string
let fleet: FakeAgentFleet | undefined
let mounted = false

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-disk-'))
  const mount = execaSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { reject: false })
  mounted = !mount.failed
})
afterEach(async () => {
  await fleet?.close()
  fleet = undefined
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

const testsUnderWay = async (): Promise<number> => {
  const { text } = await fleet!.metrics()
  const open = /^meshgauge_grpc_client_open\{method="meshgauge.agent.v1.IperfService\/Run"\} (\d+)$/m
  return Number(open.exec(text)?.[1] ?? 0)
}

describe('a disk that becomes full during a run', () => {
  test('results wait and are stored when there is space; until then /healthz states the reason', async ({
    skip,
  }) => {
    if (!mounted) skip('no small file system can be mounted')
    fleet = await startFakeAgentFleet(12, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.1,
    })
    const { hold, healthz, run: start } = fleet
    const release = hold()
    const running = start(iperfMesh)
    await expect.poll(testsUnderWay).toBeGreaterThan(0)
    fill()
    // The first tests end, and the others continue when there is space again.
    const releaseRest = hold()
    release()
    await expect.poll(healthz).toEqual({ status: 503, body: expect.stringMatching(/disk is full/) })
    makeRoom()
    releaseRest()
    const run = await running
    expect(run.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect((await fleet.results(run)).length).toBe(132)
    await expect.poll(healthz).toMatchObject({ status: 200 })
  })

  test('when it stays full the run ends all the same, and is stored when there is space', async ({
    skip,
  }) => {
    if (!mounted) skip('no small file system can be mounted')
    fleet = await startFakeAgentFleet(8, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.2,
    })
    const release = fleet.hold()
    const running = fleet.run(iperfMesh)
    await expect.poll(testsUnderWay).toBeGreaterThan(0)
    fill()
    release()
    const run = await running
    expect(run.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect(fleet.watched(run)).toBe(56)
    expect(await fleet.healthz()).toEqual({ status: 503, body: expect.stringMatching(/disk is full/) })
    makeRoom()
    await expect.poll(fleet.healthz).toMatchObject({ status: 200 })
    expect((await fleet.results(run)).length).toBe(56)
  })

  test('a run that cannot be stored at its start is refused, and nothing starts', async ({ skip }) => {
    if (!mounted) skip('no small file system can be mounted')
    fleet = await startFakeAgentFleet(4, healthyNetwork, {
      store: join(folder, 'store.db'),
      testSeconds: 0.2,
    })
    fill()
    await expect(fleet.run(iperfMesh)).rejects.toThrow(/disk is full/)
  })
})
