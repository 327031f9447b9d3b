/**
 * Time until a collector with a large inventory is ready, and until it has ended after SIGTERM. No agent answers.
 * Prints a table, and exits with 1 and a message when a goal is missed.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

type Goal = { nodes: number; kind: 'hosts' | 'config'; maxReadySeconds: number; maxEndSeconds: number }

/** 100,000 nodes are beyond one collector; it must still be ready, and must end after SIGTERM. */
const GOALS: readonly Goal[] = [
  { nodes: 1_000, kind: 'hosts', maxReadySeconds: 5, maxEndSeconds: 5 },
  { nodes: 2_000, kind: 'hosts', maxReadySeconds: 5, maxEndSeconds: 5 },
  { nodes: 10_000, kind: 'hosts', maxReadySeconds: 5, maxEndSeconds: 5 },
  { nodes: 10_000, kind: 'config', maxReadySeconds: 5, maxEndSeconds: 5 },
  { nodes: 100_000, kind: 'hosts', maxReadySeconds: 30, maxEndSeconds: 15 },
]

const addressOf = (index: number): string => `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`

const textOf = ({ nodes, kind }: Goal): string => {
  const addresses = Array.from({ length: nodes }, (_, index) => addressOf(index))
  if (kind === 'hosts') return addresses.join('\n')
  return `nodes:\n${addresses.map((address, index) => `  - { name: n${index}, address: ${address}, rack: r${index >> 5} }`).join('\n')}`
}

const secondsSince = (start: number): number => (Date.now() - start) / 1000

const measure = async (goal: Goal, folder: string) => {
  const file = join(folder, 'inventory')
  writeFileSync(file, textOf(goal))
  const options = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', ':memory:', '--insecure']
  const start = Date.now()
  const collector = spawn('node', ['cli/main.ts', 'collector', `--${goal.kind}`, file, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(collector, 'exit')
  const ready = new Promise<boolean>((resolve) => {
    createInterface(collector.stderr).on('line', (line) => {
      if (line.includes('collector ready')) resolve(true)
    })
    void ended.then(() => resolve(false))
  })
  if (!(await ready)) throw new Error(`a collector with ${goal.nodes} nodes has ended`)
  const readySeconds = secondsSince(start)
  const end = Date.now()
  collector.kill('SIGTERM')
  await ended
  return { readySeconds, endSeconds: secondsSince(end) }
}

const folder = mkdtempSync(join(tmpdir(), 'inventory-bench-'))
const missed: string[] = []
try {
  console.log('   nodes  inventory   ready    end')
  for (const goal of GOALS) {
    const { readySeconds, endSeconds } = await measure(goal, folder)
    const columns = [String(goal.nodes).padStart(8), goal.kind.padEnd(9)]
    console.log(`${columns.join('  ')}  ${readySeconds.toFixed(1).padStart(5)} s  ${endSeconds.toFixed(1)} s`)
    if (readySeconds > goal.maxReadySeconds || endSeconds > goal.maxEndSeconds)
      missed.push(
        `${goal.nodes} nodes: ready within ${goal.maxReadySeconds} s, ended within ${goal.maxEndSeconds} s`,
      )
  }
} finally {
  rmSync(folder, { recursive: true })
}
if (missed.length > 0) {
  console.error(`missed: ${missed.join('; ')}`)
  process.exitCode = 1
}
