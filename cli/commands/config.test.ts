import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommand } from '../testing/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'meshgauge-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const fileWith = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const NODES = 'nodes:\n  - { name: a, address: 10.0.0.1 }\n'

test('config check counts what a valid file has, without a collector', async () => {
  const file = fileWith('fleet.yaml', `${NODES}checks: [{ check: interfaces, every: 10m }]\nschedules: []\n`)
  const { code, out } = await runCommand(undefined, `config check ${file}`)
  expect([code, out]).toEqual([0, `${file} is valid: 1 node, 1 check, 0 schedules, 0 profiles.\n`])
  const hosts = await runCommand(
    undefined,
    `config check ${fileWith('hosts.txt', '10.0.0.1\n10.0.0.2\n')} --json`,
  )
  expect(JSON.parse(hosts.out)).toMatchObject({ valid: true, nodes: 2 })
})

test('config check lists every problem with its file, line and column, and exits with 2', async () => {
  const file = fileWith('bad.yaml', `${NODES}chekcs: []\nstorage: { raw: 1m }\n`)
  const { code, out } = await runCommand(undefined, `config check ${file} --json`)
  expect(code).toBe(2)
  expect(JSON.parse(out).error.problems).toEqual([
    { place: `${file}:3:1 chekcs`, message: 'unknown key; did you mean checks?' },
    { place: `${file}:4:17 storage.raw`, message: 'must be at least 2h' },
  ])
})

test('config schema prints the JSON Schema', async () => {
  const { code, out } = await runCommand(undefined, 'config schema')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ type: 'object', required: ['nodes'], properties: { storage: {} } })
})
