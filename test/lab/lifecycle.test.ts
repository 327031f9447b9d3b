import { rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, expect, it, vi } from 'vitest'
import { MAX_LABS } from '../../deploy/local/addresses.ts'
import {
  createLab,
  type OwnedLab,
  type LabDeps,
  type LabOptions,
  labDown,
  labStatus,
  openLab,
  parseFault,
  setFault,
} from '../../deploy/local/lab.ts'
import { knownIndexes } from '../../deploy/local/state.ts'
import { deps, describeLab, surroundings, traces } from './machine.ts'
import { pingAll } from './measure.ts'

const labs: OwnedLab[] = []
const make = async (options: LabOptions = { nodes: 2 }): Promise<OwnedLab> => {
  const held = await createLab(deps, options)
  labs.push(held)
  return held
}
const reportOf = async (index: number) => (await labStatus(deps)).find((report) => report.index === index)

/** A process that owns a lab, and the lab's number once it has said that all is up. */
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
const gone = (index: number) =>
  vi.waitFor(async () => expect(await traces(index)).toEqual([]), { timeout: 60_000, interval: 200 })

afterEach(async () => {
  await Promise.all(labs.splice(0).map((held) => held.down()))
})

describeLab('a lab', () => {
  it('connects every pair on every network and leaves nothing', async () => {
    const before = await surroundings()
    const { lab, down } = await make({ nodes: 8, racks: 3 })
    expect(await reportOf(lab.index)).toMatchObject({ state: 'up', problems: [], lab: { index: lab.index } })
    for (const pick of ['address', 'address6'] as const) {
      const losses = await pingAll(lab, pick)
      expect(losses).toHaveLength(8 * 7 * 2)
      expect(losses.filter(({ lossRatio }) => lossRatio > 0)).toEqual([])
    }
    await down()
    expect(await traces(lab.index)).toEqual([])
    expect(await surroundings()).toEqual(before)
    await labDown(deps, lab.index)
  })

  it('takes up no addresses of another lab, and goes without it', async () => {
    const [first, second] = [await make(), await make()]
    expect(second.lab.index).not.toBe(first.lab.index)
    expect(second.lab.nodes[0]?.management).not.toBe(first.lab.nodes[0]?.management)
    await first.down()
    expect(await traces(first.lab.index)).toEqual([])
    expect((await pingAll(second.lab)).filter(({ lossRatio }) => lossRatio > 0)).toEqual([])
    expect(await reportOf(second.lab.index)).toMatchObject({ state: 'up' })
  })

  it('is refused where its number is taken, and harms nobody', async () => {
    const { lab } = await make()
    await expect(createLab(deps, { nodes: 2, index: lab.index })).rejects.toThrow(
      `lab ${lab.index}: namespace mg${lab.index}-`,
    )
    expect(await reportOf(lab.index)).toMatchObject({ state: 'up' })
  })

  it('clears away what it had built when it cannot be finished', async () => {
    let index = -1
    const failing: LabDeps = {
      ...deps,
      commands: { ...deps.commands, tc: () => Promise.reject(new Error('no tc today')) },
      downCommand: (claimed) => {
        index = claimed
        return deps.downCommand(claimed)
      },
    }
    await expect(createLab(failing, { nodes: 2 })).rejects.toThrow('no tc today')
    expect(index).toBeGreaterThanOrEqual(0)
    expect(await traces(index)).toEqual([])
  })

  it('takes concurrent faults one after the other', async () => {
    const { lab } = await make({ nodes: 3 })
    const texts = ['loss:node-1:net0:tx:10%', 'loss:node-2:net0:tx:10%', 'loss:node-3:net0:tx:10%']
    await Promise.all(texts.map((text) => setFault(deps, lab, parseFault(text, lab))))
    expect((await openLab(deps, lab.index)).faults).toHaveLength(3)
  })
})

describeLab('a damaged lab', () => {
  it.each([
    ['its state is not JSON', (stateDir: string) => writeFile(`${stateDir}/lab.json`, '{"version": 1, "ind')],
    ['its state is of another program', (stateDir: string) => writeFile(`${stateDir}/lab.json`, '{"a": 1}')],
    ['its state file is gone', (stateDir: string) => rm(`${stateDir}/lab.json`)],
    ['its state directory is gone', (stateDir: string) => rm(stateDir, { recursive: true })],
  ])('is told and torn down when %s', async (_, damage) => {
    const { lab } = await make()
    await damage(lab.stateDir)
    const report = await reportOf(lab.index)
    expect(report).toMatchObject({ state: 'damaged' })
    expect(report?.problems[0]).toMatch(/lab.json/)
    await expect(openLab(deps, lab.index)).rejects.toThrow(/lab.json/)
    await labDown(deps, lab.index)
    expect(await traces(lab.index)).toEqual([])
  })

  it('is told and torn down when parts of it are missing', async () => {
    const { lab } = await make()
    await execa('ip', ['netns', 'del', `mg${lab.index}-node-2`])
    await execa('ip', ['link', 'del', `mg${lab.index}-mgmt`])
    expect((await reportOf(lab.index))?.problems).toEqual([
      `namespace mg${lab.index}-node-2 is missing`,
      `interface mg${lab.index}-mgmt is missing`,
    ])
    await labDown(deps, lab.index)
    expect(await traces(lab.index)).toEqual([])
  })

  it('takes those with it who live in its namespaces, whoever put them there', async () => {
    const { lab } = await make()
    const namespace = `mg${lab.index}-node-1`
    const guest = execa('ip', ['netns', 'exec', namespace, 'sleep', '600'], { reject: false })
    // Who has not come in yet is not there to be taken along.
    await vi.waitFor(
      async () => {
        const { stdout } = await execa('ip', ['netns', 'pids', namespace])
        expect(stdout.split('\n')).toContain(String(guest.pid))
      },
      { timeout: 60_000, interval: 20 },
    )
    await labDown(deps, lab.index)
    expect((await guest).isTerminated).toBe(true)
  })
})

describeLab('the death of the owner', () => {
  it('by kill -9 leaves nothing, not even a program that ignores SIGTERM', async () => {
    const { owner, up } = startOwner('any')
    const index = await up
    expect((await reportOf(index))?.processes.filter(({ isAlive }) => isAlive)).toHaveLength(3)
    owner.kill('SIGKILL')
    await gone(index)
  })

  it.each([0, 20, 40, 80, 160])('by kill -9 after %i ms leaves nothing half-built', async (milliseconds) => {
    // The last that nobody has: others make labs at any moment, and begin with the first.
    const known = await knownIndexes(deps.stateRoot)
    const index = Array.from({ length: MAX_LABS }, (_, each) => each).findLast(
      (each) => !known.includes(each),
    )!
    const { owner, up } = startOwner(String(index))
    const claimed = vi.waitFor(async () => expect(await knownIndexes(deps.stateRoot)).toContain(index), {
      timeout: 60_000,
      interval: 1,
    })
    // An owner that could not have it says why.
    await Promise.race([claimed, up])
    await sleep(milliseconds)
    owner.kill('SIGKILL')
    await gone(index)
  })

  it('leaves a lab that was kept', async () => {
    const { owner, up } = startOwner('any', 'keep')
    const index = await up
    owner.kill('SIGKILL')
    await owner
    const report = await reportOf(index)
    expect(report).toMatchObject({ state: 'up', problems: [] })
    expect(report?.processes.map(({ name }) => name)).toEqual(['agent-node-1', 'agent-node-2', 'collector'])
    await labDown(deps, index)
    expect(await traces(index)).toEqual([])
  })
})
