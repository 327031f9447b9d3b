import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProgram } from '../testing/service-process.ts'
import { copyStage, readDockerfile } from './dockerfile.ts'

const REPOSITORY = new URL('../../', import.meta.url).pathname
const DOCKERFILE = join(REPOSITORY, 'deploy/docker/Dockerfile')

const stages = readDockerfile(DOCKERFILE)
let folder: string
const folderOf = (stage: string) => join(folder, stage === '' ? 'image' : stage)

/** Builds a stage's folder from its COPY lines. The installed node_modules replace those of `RUN npm ci`. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-image-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const buildStage = (stage: string, others: Record<string, string> = {}): string => {
  const place = folderOf(stage)
  mkdirSync(place)
  symlinkSync(join(REPOSITORY, 'node_modules'), join(place, 'node_modules'))
  const from = { repository: REPOSITORY, ignoreFile: `${DOCKERFILE}.dockerignore`, stages: others }
  copyStage(stages.get(stage)!, from, place)
  return place
}

test('all stages use the same Node, and the image contains no build tools', () => {
  expect([...stages.keys()]).toEqual(['bundle', ''])
  const images = [...stages.values()].map(({ image }) => image)
  expect(new Set(images).size).toBe(1)
  expect(images[0]).toMatch(/^node:24\.\d+\.\d+-bookworm-slim$/)
  const installs = [...stages.values()].map(({ instructions }) =>
    instructions.flatMap(({ name, words }) =>
      name === 'RUN' && words[0] === 'npm' ? [words.join(' ')] : [],
    ),
  )
  expect(installs).toEqual([
    [expect.stringMatching(/^npm ci (?!.*--omit)/), 'npm run bundle'],
    [expect.stringMatching(/^npm ci --omit=dev --omit=optional /)],
  ])
})

test('COPY finds all its files, and the build context contains no others', () => {
  const copied = [...stages.values()].flatMap(({ instructions }) =>
    instructions.flatMap(({ name, words }) =>
      name === 'COPY' && !words[0]!.startsWith('--from') ? words.slice(0, -1) : [],
    ),
  )
  for (const source of copied) expect(existsSync(join(REPOSITORY, source)), source).toBe(true)
  const sent = readFileSync(`${DOCKERFILE}.dockerignore`, 'utf8').match(/(?<=^!).+$/gm)!
  expect([...new Set(copied)].sort()).toEqual(sent.sort())
})

test('the agent of the image runs from the bundle that the first stage builds', async () => {
  const bundling = buildStage('bundle')
  expect(readdirSync(bundling).sort()).toEqual(
    ['agent', 'deploy', 'lib', 'node_modules', 'package-lock.json', 'package.json', 'proto'].sort(),
  )
  await execa('npm', ['run', 'bundle'], { cwd: bundling })
  const image = buildStage('', { bundle: bundling })
  expect(readdirSync(join(image, 'dist'))).toEqual(['agent.mjs'])
  const files = ['agent', 'cli', 'collector', 'deploy', 'lib', 'proto'].flatMap((top) =>
    readdirSync(join(image, top), { recursive: true, encoding: 'utf8' }),
  )
  expect(files).toContain('serve.main.ts')
  expect(files.filter((file) => /\.test\.ts$|(^|\/)(fixtures|testing)\/./.test(file))).toEqual([])

  const [variable] = stages.get('')!.instructions.filter(({ name }) => name === 'ENV')
  const [name, path] = variable!.words[0]!.split('=')
  const environment = { [name!]: path!.replace('/opt/meshgauge', image) }
  const args = ['agent', '--node=n1', '--listen=127.0.0.1:0', '--interface=lo=127.0.0.1']
  const agent = await startProgram(join(image, 'cli/meshgauge'), args, environment)
  const command = readFileSync(`/proc/${agent.pid}/cmdline`, 'utf8').split('\0')
  await agent.stop('SIGTERM')
  expect(command).toContain(join(image, 'dist/agent.mjs'))
})

test('the command of the image works', async () => {
  const { stdout } = await execa(join(folderOf(''), 'cli/meshgauge'), ['collector', '--help'])
  expect(stdout).toContain('Usage: meshgauge collector')
})
