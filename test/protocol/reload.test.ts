import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ServiceProcess, startAgent, startService } from '../testing/service-process.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

let folder: string
let config: string
let agent: ServiceProcess
let collector: ServiceProcess

const write = (nodes: Record<string, string>, more = '') =>
  writeFileSync(
    config,
    `nodes:\n${Object.entries(nodes)
      .map(([name, address]) => `  - { name: ${name}, address: "${address}" }\n`)
      .join('')}${more}`,
  )
const cli = (...args: string[]) =>
  execa(MESHGAUGE, [...args, '--collector', `127.0.0.1:${collector.port}`], { reject: false })
const series = async (node: string): Promise<string[]> => {
  const text = await (await fetch(`http://127.0.0.1:${collector.httpPort}/metrics`)).text()
  return text.split('\n').filter((line) => line.includes(`node="${node}"`))
}
const nowhere = (index: number) => `127.0.0.1:${10 + index}`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-reload-'))
  config = join(folder, 'fleet.yaml')
  agent = await startAgent('--node', 'here')
  write({ here: `127.0.0.1:${agent.port}`, old: nowhere(1) })
  collector = await startService([
    'collector',
    '--config',
    config,
    '--listen',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    '--store',
    join(folder, 'store.db'),
  ])
})
afterAll(async () => {
  await collector.stop('SIGTERM')
  await agent.stop('SIGTERM')
  rmSync(folder, { recursive: true })
})

describe('a reloaded config', () => {
  test('adds and removes nodes and their metrics', async () => {
    await vi.waitFor(async () => expect(await series('old')).not.toEqual([]), { timeout: 60_000 })
    write({ here: `127.0.0.1:${agent.port}`, new: nowhere(2) }, 'checks: [{ check: interfaces, every: 1s }]')
    const { stdout, exitCode } = await cli('reload')
    expect({ stdout, exitCode }).toEqual({ stdout: 'added    1: new\nremoved  1: old', exitCode: 0 })
    await vi.waitFor(async () => expect(await series('new')).not.toEqual([]), { timeout: 60_000 })
    await vi.waitFor(async () => expect(await series('old')).toEqual([]), { timeout: 60_000 })
    const { stdout: listed } = await cli('nodes', '--json')
    expect(JSON.parse(listed).nodes.map(({ name }: { name: string }) => name)).toEqual(['here', 'new'])
    // The check of the new config runs periodically from now on.
    await vi.waitFor(
      async () => expect(await series('here')).toContainEqual(expect.stringContaining('check="interfaces"')),
      { timeout: 60_000 },
    )
  })

  test('is also read on SIGHUP', async () => {
    write({ here: `127.0.0.1:${agent.port}`, third: nowhere(3) })
    process.kill(collector.pid, 'SIGHUP')
    await vi.waitFor(async () => expect(await series('third')).not.toEqual([]), { timeout: 60_000 })
    expect((await cli('nodes', 'here')).stdout).toContain('ready')
  })

  test('with problems changes nothing and reports all of them', async () => {
    writeFileSync(config, 'nodes:\n  - { name: x, adress: 1.2.3.4 }\n  - { name: y, address: "a b" }\n')
    const { stderr, exitCode } = await cli('reload')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('did you mean address?')
    expect(stderr).toMatch(/3:\d+ nodes\[1\]\.address/)
    expect((await cli('nodes', 'here')).exitCode).toBe(0)
  })

  test('reports settings that need a restart', async () => {
    write({ here: `127.0.0.1:${agent.port}` }, 'autopilot: { port: 3333 }\n')
    const { stdout } = await cli('reload', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ removed: ['third'], restartRequired: ['autopilot'] })
  })
})
