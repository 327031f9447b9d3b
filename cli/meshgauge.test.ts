import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const LAUNCHER = fileURLToPath(new URL('meshgauge', import.meta.url))

/** A copy of the project's layout with fake Node programs that print their version. */
const setUp = () => {
  const root = mkdtempSync(join(tmpdir(), 'meshgauge-test-'))
  for (const folder of ['project/cli', 'project/node_modules/.bin', 'path'])
    mkdirSync(join(root, folder), { recursive: true })
  cpSync(LAUNCHER, join(root, 'project/cli/meshgauge'))
  const addNode = (file: string, version: number) => {
    writeFileSync(
      join(root, file),
      `#!/bin/sh\n[ "$1" = -p ] && echo ${version} && exit\n[ "$1" = --version ] && echo v${version}.0.0 && exit\necho ${version} "$@"\n`,
    )
    chmodSync(join(root, file), 0o755)
  }
  // Only this PATH, so that the Node of this machine is not found.
  for (const program of ['dirname', 'readlink', 'sh'])
    symlinkSync(`/usr/bin/${program}`, join(root, 'path', program))
  const launch = (file = 'project/cli/meshgauge', ...words: string[]) =>
    execa(join(root, file), words, { env: { PATH: join(root, 'path') }, reject: false })
  return { root, addNode, launch, main: join(root, 'project/cli/main.ts') }
}

test('prefers the Node that npm installed to the one on PATH', async () => {
  const { addNode, launch, main } = setUp()
  addNode('project/node_modules/.bin/node', 24)
  addNode('path/node', 26)
  const { stdout } = await launch(undefined, 'run', 'a b')
  expect(stdout).toBe(`24 --disable-warning=ExperimentalWarning ${main} run a b`)
})

test('resolves symbolic links to itself', async () => {
  const { root, addNode, launch, main } = setUp()
  addNode('project/node_modules/.bin/node', 24)
  symlinkSync('../../cli/meshgauge', join(root, 'project/node_modules/.bin/meshgauge'))
  symlinkSync(join(root, 'project/node_modules/.bin/meshgauge'), join(root, 'path/meshgauge'))
  const { stdout } = await launch('path/meshgauge')
  expect(stdout).toContain(main)
})

test('uses the Node on PATH if it is new enough', async () => {
  const { addNode, launch } = setUp()
  addNode('path/node', 24)
  expect((await launch(undefined, '--version')).stdout).toMatch(/^24 .*main\.ts --version$/)
})

test.each([
  ['too old', 20, /is v20\.0\.0/],
  ['missing', undefined, /no node is on PATH/],
])('if Node is %s, prints one line that says what to do', async (_name, version, message) => {
  const { addNode, launch } = setUp()
  if (version) addNode('path/node', version)
  const { exitCode, stderr } = await launch()
  expect(exitCode).toBe(3)
  expect(stderr.split('\n')).toHaveLength(1)
  expect(stderr).toMatch(message)
  expect(stderr).toContain('npm ci')
})

test('is the bin entry of package.json', () => {
  const { bin } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    bin: unknown
  }
  expect(bin).toEqual({ meshgauge: 'cli/meshgauge' })
})
