import { rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, expect, it, vi } from 'vitest'
import { MAX_LABS } from '../../deploy/local/addresses.ts'
import {
  createLab,
  type LabDeps,
  type LabOptions,
  labDown,
  labStatus,
  type OwnedLab,
  openLab,
  parseFault,
  setFault,
} from '../../deploy/local/lab.ts'
import { knownIndexes } from '../../deploy/local/state.ts'
import { describeLab, labDeps, networksBesidesLabs, tracesOfLab } from '../testing/lab.ts'
import { pingAll } from '../testing/lab-measurements.ts'

const labs: OwnedLab[] = []
const create = async (options: LabOptions = { nodes: 2 }): Promise<OwnedLab> => {
  const owned = await createLab(labDeps, options)
  labs.push(owned)
  return owned
}
const reportOf = async (index: number) => (await labStatus(labDeps)).find((report) => report.index === index)

/** Starts a process that owns a lab. `up` resolves to the lab's number when the lab is ready. */
const startOwner = (...args: string[]) => {
  const script = fileURLToPath(import.meta.resolve('./fixtures/owner.ts'))
  const owner = execa(process.execPath, [script, ...args], { reject: false })
  const up = Promise.withResolvers<number>()
  let output = ''
  owner.stdout.on('data', (chunk) => {
    output += String(chunk)
    const [, index] = /^lab (\d+)\nup$/m.exec(output) ?? []
    if (index) up.resolve(Number(index))
  })
  void owner.then(({ stderr }) => up.reject(new Error(`the owner has ended: ${stderr}`)))
  return { owner, up: up.promise }
}
const expectDeleted = (index: number) =>
  vi.waitFor(async () => expect(await tracesOfLab(index)).toEqual([]), { timeout: 60_000, interval: 200 })

afterEach(async () => {
  await Promise.all(labs.splice(0).map((owned) => owned.down()))
})

describeLab('a lab', () => {
  it('connects every pair on every network and leaves nothing behind', async () => {
    const before = await networksBesidesLabs()
    const { lab, down } = await create({ nodes: 8, racks: 3 })
    expect(await reportOf(lab.index)).toMatchObject({ state: 'up', problems: [], lab: { index: lab.index } })
    for (const pick of ['address', 'address6'] as const) {
      const losses = await pingAll(lab, pick)
      expect(losses).toHaveLength(8 * 7 * 2)
      expect(losses.filter(({ lossRatio }) => lossRatio > 0)).toEqual([])
    }
    await down()
    expect(await tracesOfLab(lab.index)).toEqual([])
    expect(await networksBesidesLabs()).toEqual(before)
    await labDown(labDeps, lab.index)
  })

  it('has other addresses than another lab and is deleted separately', async () => {
    const [first, second] = [await create(), await create()]
    expect(second.lab.index).not.toBe(first.lab.index)
    expect(second.lab.nodes[0]?.management).not.toBe(first.lab.nodes[0]?.management)
    await first.down()
    expect(await tracesOfLab(first.lab.index)).toEqual([])
    expect((await pingAll(second.lab)).filter(({ lossRatio }) => lossRatio > 0)).toEqual([])
    expect(await reportOf(second.lab.index)).toMatchObject({ state: 'up' })
  })

  it('is refused when its number is in use, without effect on the existing lab', async () => {
    const { lab } = await create()
    await expect(createLab(labDeps, { nodes: 2, index: lab.index })).rejects.toThrow(
      `lab ${lab.index}: namespace mg${lab.index}-`,
    )
    expect(await reportOf(lab.index)).toMatchObject({ state: 'up' })
  })

  it('deletes its parts when its creation fails', async () => {
    let index = -1
    const failing: LabDeps = {
      ...labDeps,
      commands: { ...labDeps.commands, tc: () => Promise.reject(new Error('tc failed')) },
      downCommand: (claimed) => {
        index = claimed
        return labDeps.downCommand(claimed)
      },
    }
    await expect(createLab(failing, { nodes: 2 })).rejects.toThrow('tc failed')
    expect(index).toBeGreaterThanOrEqual(0)
    expect(await tracesOfLab(index)).toEqual([])
  })

  it('applies concurrent faults one after the other', async () => {
    const { lab } = await create({ nodes: 3 })
    const texts = ['loss:node-1:net0:tx:10%', 'loss:node-2:net0:tx:10%', 'loss:node-3:net0:tx:10%']
    await Promise.all(texts.map((text) => setFault(labDeps, lab, parseFault(text, lab))))
    expect((await openLab(labDeps, lab.index)).faults).toHaveLength(3)
  })
})

describeLab('a damaged lab', () => {
  it.each([
    ['its state is not JSON', (stateDir: string) => writeFile(`${stateDir}/lab.json`, '{"version": 1, "ind')],
    ['its state has another format', (stateDir: string) => writeFile(`${stateDir}/lab.json`, '{"a": 1}')],
    ['its state file is missing', (stateDir: string) => rm(`${stateDir}/lab.json`)],
    ['its state directory is missing', (stateDir: string) => rm(stateDir, { recursive: true })],
  ])('is reported and deleted when %s', async (_, damage) => {
    const { lab } = await create()
    await damage(lab.stateDir)
    const report = await reportOf(lab.index)
    expect(report).toMatchObject({ state: 'damaged' })
    expect(report?.problems[0]).toMatch(/lab.json/)
    await expect(openLab(labDeps, lab.index)).rejects.toThrow(/lab.json/)
    await labDown(labDeps, lab.index)
    expect(await tracesOfLab(lab.index)).toEqual([])
  })

  it('is reported and deleted when parts of it are missing', async () => {
    const { lab } = await create()
    await execa('ip', ['netns', 'del', `mg${lab.index}-node-2`])
    await execa('ip', ['link', 'del', `mg${lab.index}-mgmt`])
    expect((await reportOf(lab.index))?.problems).toEqual([
      `namespace mg${lab.index}-node-2 is missing`,
      `interface mg${lab.index}-mgmt is missing`,
    ])
    await labDown(labDeps, lab.index)
    expect(await tracesOfLab(lab.index)).toEqual([])
  })

  it('is deleted together with all processes in its namespaces', async () => {
    const { lab } = await create()
    const namespace = `mg${lab.index}-node-1`
    const guest = execa('ip', ['netns', 'exec', namespace, 'sleep', '600'], { reject: false })
    // Waits until the process has entered the namespace.
    await vi.waitFor(
      async () => {
        const { stdout } = await execa('ip', ['netns', 'pids', namespace])
        expect(stdout.split('\n')).toContain(String(guest.pid))
      },
      { timeout: 60_000, interval: 20 },
    )
    await labDown(labDeps, lab.index)
    expect((await guest).isTerminated).toBe(true)
  })
})

describeLab('the death of the owner', () => {
  it('by kill -9 deletes the lab, also a program that ignores SIGTERM', async () => {
    const { owner, up } = startOwner('any')
    const index = await up
    expect((await reportOf(index))?.processes.filter(({ isAlive }) => isAlive)).toHaveLength(3)
    owner.kill('SIGKILL')
    await expectDeleted(index)
  })

  it.each([0, 20, 40, 80, 160])('by kill -9 after %i ms leaves no partial lab', async (milliseconds) => {
    // The last free number: tests that run at the same time take the first free one.
    const known = await knownIndexes(labDeps.stateRoot)
    const index = Array.from({ length: MAX_LABS }, (_, each) => each).findLast(
      (each) => !known.includes(each),
    )!
    const { owner, up } = startOwner(String(index))
    const claimed = vi.waitFor(async () => expect(await knownIndexes(labDeps.stateRoot)).toContain(index), {
      timeout: 60_000,
      interval: 1,
    })
    // `up` rejects with the reason when the owner could not claim the number.
    await Promise.race([claimed, up])
    await sleep(milliseconds)
    owner.kill('SIGKILL')
    await expectDeleted(index)
  })

  it('does not delete a lab after `keep`', async () => {
    const { owner, up } = startOwner('any', 'keep')
    const index = await up
    owner.kill('SIGKILL')
    await owner
    const report = await reportOf(index)
    expect(report).toMatchObject({ state: 'up', problems: [] })
    expect(report?.processes.map(({ name }) => name)).toEqual(['agent-node-1', 'agent-node-2', 'collector'])
    await labDown(labDeps, index)
    expect(await tracesOfLab(index)).toEqual([])
  })
})
