import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type CollectorArguments, readCollectorOptions } from '../options.ts'
import { resolveProfile } from '../schedules/define/review.ts'
import { createProfiles } from './configured.ts'

const CONFIG = `nodes: [{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }]
profiles:
  - name: nightly
    global: { duration: 5s }
    expectations: { throughput_min: 9G }
    tests: [{ name: all, test: iperf, topology: mesh }]
schedules:
  - { name: by-night, cron: "0 2 * * *", profile: nightly }
`

test('a schedule of the config may name a profile of the config until a reload removes it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'meshgauge-profiles-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'fleet.yaml')
  writeFileSync(file, CONFIG)
  const given = { inventory: { kind: 'config', file }, autopilot: {}, security: {}, defaultSchedules: false }
  const options = await readCollectorOptions(given as unknown as CollectorArguments)
  const profiles = createProfiles(options.profiles)
  const { work } = options.schedules[0]!.spec
  const source = work?.kind === 'profile' ? work.source : undefined
  expect(profiles.byName.has('baseline')).toBe(true)
  const { steps } = resolveProfile(source!, profiles.byName)
  expect(steps.map(({ name }) => name)).toEqual(['all'])
  expect(steps[0]!.spec).toMatchObject({
    test: { durationSeconds: 5 },
    expectations: [{ name: 'throughput_min', limit: 9e9 }],
    profile: 'nightly',
  })
  profiles.set([])
  expect(() => resolveProfile(source!, profiles.byName)).toThrow(
    'there is no profile "nightly"; there are baseline',
  )
})
