import { readFileSync } from 'node:fs'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readYamlConfig } from '../../collector/inventory/config.ts'
import { SCHEDULE_SECTION } from '../../collector/schedules/define/schema.ts'
import { ERROR_CATALOGUE, Status } from '../../lib/errors.ts'
import { describeLab } from '../testing/lab.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

const root = new URL('../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, body]) => body!)

const README = read('README.md')

test('the README names the two commands', () => {
  for (const command of ['npm start', 'npm test']) expect(README).toContain(command)
})

test('the fleet.yaml of the README is valid', () => {
  const [fleet, ...sections] = blocks(README, 'yaml')
  const withSection = (name: string) =>
    readYamlConfig(
      'fleet.yaml',
      `${fleet}${sections.find((section) => section.startsWith(name))}`,
      SCHEDULE_SECTION,
    )
  expect(readYamlConfig('fleet.yaml', fleet!, SCHEDULE_SECTION).nodes).toHaveLength(3)
  expect(withSection('checks').checks).toHaveLength(3)
  expect(withSection('schedules').schedules).toHaveLength(3)
  expect(withSection('storage').storage).toBeDefined()
  for (const section of sections)
    expect(readYamlConfig('fleet.yaml', fleet! + section, SCHEDULE_SECTION).nodes).toHaveLength(3)
})

test('the error table in proto/README.md equals the catalogue', () => {
  const table = [...read('proto/README.md').matchAll(/^\| `([A-Z_]+)` \| `([A-Z_]+)` \| (.*) \|$/gm)].map(
    ([, ...row]) => row,
  )
  const catalogue = Object.entries(ERROR_CATALOGUE).map(([reason, { status, meaning }]) => [
    reason,
    Status[status],
    meaning,
  ])
  expect(table).toEqual(catalogue)
})

test('every npm script in the README exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = [...README.matchAll(/npm run ([a-z-]+)/g)].map(([, name]) => name!)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})

describeLab('the commands of the README', () => {
  let fleet: TestFleet
  beforeAll(async () => {
    // With a ping mesh, like the trial fleet.
    fleet = await startTestFleet({ nodes: 4, settings: { schedules: [{ name: 'mesh', mesh: {} }] } })
    // Waits for the first windows of the mesh.
    await vi.waitFor(
      async () => {
        const { exitCode } = await fleet.meshgauge(
          'mesh',
          'history',
          'node-1',
          'node-2',
          '--interface',
          'net0',
        )
        expect(exitCode).toBe(0)
      },
      { timeout: 60_000, interval: 300 },
    )
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
  })

  const commands = blocks(README, 'sh').flatMap((block) => block.trim().split('\n'))
  test.each(commands)('%s', async (command) => {
    const here = command
      .replace(/^meshgauge/, new URL('cli/meshgauge', root).pathname)
      .replace(/^buf/, new URL('node_modules/.bin/buf', root).pathname)
      .replaceAll('127.0.0.1:50050', fleet.address)
      .replaceAll('198.19.0.1', fleet.lab.nodes[0]!.management)
      .replaceAll('198.18.0.2', fleet.lab.nodes[1]!.interfaces[0]!.address)
    const env = { MESHGAUGE_COLLECTOR: fleet.address }
    // In another folder, so that buf uses reflection and does not read the protos of the repository.
    const { exitCode, stdout, stderr } = await execa('sh', ['-c', here], { env, reject: false, cwd: '/' })
    expect([exitCode, stderr.includes('rror') ? stderr : '']).toEqual([0, ''])
    expect(stdout).not.toBe('')
  })
})
