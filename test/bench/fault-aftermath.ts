// Prints what remains after faults: gaps in the history of paths, and series of removed nodes.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import type { TestFleet } from '../testing/test-fleet.ts'

/** Smaller gaps are not counted, because clocks are aligned to about 25 ms. */
const MIN_GAP_MS = 100
/** A killed agent loses its unfinished window. */
const LAST_WINDOW_MS = 12_000
const LEAVE_SECONDS = 10

type Window = { startTime: string; endTime: string }
type Gap = { node: string; atMs: number; ms: number; paths: number }

const namesOf = (fleet: TestFleet): string[] => {
  const { nodes } = parse(readFileSync(join(fleet.lab.stateDir, 'fleet.yaml'), 'utf8')) as {
    nodes: { name: string }[]
  }
  return nodes.map(({ name }) => name)
}

const gapsOf = async (
  fleet: TestFleet,
  source: string,
  destination: string,
  name: string,
  sinceMs: number,
) => {
  const since = `${Math.ceil((Date.now() - sinceMs) / 1000)}s`
  const args = ['--interface', name, '--since', since, '--resolution', 'raw', '--json']
  const { stdout } = await fleet.meshgauge('mesh', 'history', source, destination, ...args)
  const { windows } = JSON.parse(stdout) as { windows: Window[] }
  return windows.slice(1).flatMap(({ startTime }, index) => {
    const atMs = Date.parse(windows[index]!.endTime)
    const ms = Date.parse(startTime) - atMs
    return ms > MIN_GAP_MS ? [{ atMs, ms }] : []
  })
}

/** Prints the gaps in the history of paths, by source node, with the fault during which they began. */
export const printGaps = async (
  fleet: TestFleet,
  begun: readonly { name: string; atMs: number }[],
): Promise<void> => {
  const names = namesOf(fleet)
  const found: Gap[] = []
  for (const node of names) {
    for (const peer of names.filter((each) => each !== node)) {
      for (const name of ['net0', 'net1']) {
        for (const { atMs, ms } of await gapsOf(fleet, node, peer, name, begun[0]!.atMs)) {
          const same = found.find((gap) => gap.node === node && Math.abs(gap.atMs - atMs) < 1000)
          if (same) same.paths++
          else found.push({ node, atMs, ms, paths: 1 })
        }
      }
    }
  }
  const paths = names.length * (names.length - 1) * 2
  console.log(`gaps in the history of ${paths} paths: ${found.length === 0 ? 'none' : ''}`)
  for (const { node, atMs, ms, paths: count } of found.sort((a, b) => a.atMs - b.atMs)) {
    const during =
      begun.findLast((trial) => trial.atMs <= atMs + LAST_WINDOW_MS)?.name ?? 'before the first fault'
    console.log(`  ${node}: ${(ms / 1000).toFixed(1)} s on ${count} paths, in "${during}"`)
  }
}

const seriesOf = async (fleet: TestFleet): Promise<string[]> => {
  const text = await (await fetch(`http://${fleet.http}/metrics`)).text()
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** Prints the number of series before half of the nodes are removed, after that, and after they are added again. */
export const printSeries = async (fleet: TestFleet): Promise<void> => {
  const file = join(fleet.lab.stateDir, 'fleet.yaml')
  const text = readFileSync(file, 'utf8')
  const config = parse(text) as { nodes: { name: string }[] }
  const leaving = config.nodes.slice(Math.ceil(config.nodes.length / 2)).map(({ name }) => name)
  const count = async () => {
    const lines = await seriesOf(fleet)
    const theirs = lines.filter((line) => leaving.some((name) => line.includes(`"${name}"`)))
    return `${lines.length} (${theirs.length} of the removed nodes)`
  }
  const before = await count()
  writeFileSync(
    file,
    stringify({ ...config, nodes: config.nodes.filter(({ name }) => !leaving.includes(name)) }),
  )
  await fleet.meshgauge('reload')
  await sleep(LEAVE_SECONDS * 1000)
  const after = await count()
  writeFileSync(file, text)
  await fleet.meshgauge('reload')
  await sleep(LEAVE_SECONDS * 1000)
  console.log(
    `series: ${before}; ${LEAVE_SECONDS} s after ${leaving.length} of ${config.nodes.length} nodes were removed: ${after}; after they were added again: ${await count()}`,
  )
}
