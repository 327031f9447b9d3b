import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { raiseNeighbourLimits } from './neighbour-limits.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-neighbours-'))
  for (const family of ['ipv4', 'ipv6']) mkdirSync(join(folder, family, 'neigh/default'), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true }))

const fileOf = (family: string, limit: number) => join(folder, family, 'neigh/default', `gc_thresh${limit}`)
const limits = (family: string) => [2, 3].map((limit) => Number(readFileSync(fileOf(family, limit), 'utf8')))
const set = (family: string, low: number, high: number) => {
  writeFileSync(fileOf(family, 2), `${low}\n`)
  writeFileSync(fileOf(family, 3), `${high}\n`)
}

test('limits are raised for a large lab and never lowered', async () => {
  set('ipv4', 512, 1024)
  set('ipv6', 512, 100_000)
  expect(await raiseNeighbourLimits(folder, 49, 2)).toBeUndefined()
  expect(limits('ipv4')).toEqual([9604, 9604])
  expect(limits('ipv6')).toEqual([9604, 100_000])
  expect(await raiseNeighbourLimits(folder, 4, 2)).toBeUndefined()
  expect(limits('ipv4')).toEqual([9604, 9604])
})

test('without IPv6 only the limits of IPv4 are raised', async () => {
  set('ipv4', 512, 1024)
  expect(await raiseNeighbourLimits(folder, 49, 2)).toBeUndefined()
  expect(limits('ipv4')).toEqual([9604, 9604])
})

test('where limits cannot be read, a large lab gets a warning that says what to do, and a small lab gets none', async () => {
  expect(await raiseNeighbourLimits(folder, 6, 2)).toBeUndefined()
  expect(await raiseNeighbourLimits(folder, 49, 2)).toMatch(/gc_thresh2 to 9604/)
})
