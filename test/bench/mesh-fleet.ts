/** A collector with simulated agents: gRPC servers in other processes that only send windows of the mesh. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa, type Subprocess } from 'execa'

/** Reads one line of JSON from a program. */
type Line = { ports?: number[]; waits?: number[]; http?: number; grpc?: number }

const PER_PROCESS = 250
export const LONGEST_WAIT_SECONDS = 120

type Program = {
  child: Pick<Subprocess, 'pid' | 'kill'> & PromiseLike<unknown>
  lines: (handle: (line: Line) => void) => void
  first: Promise<Line>
}

/** The options of V8 with which the CLI starts a collector. */
const collectorFlags = (): string[] => {
  const command = readFileSync(join(import.meta.dirname, '../../cli/meshgauge'), 'utf8')
  const [, flags = ''] = /= collector \] && flags="\$flags ([^"]+)"/.exec(command) ?? []
  if (flags === '') throw new Error('cli/meshgauge starts a collector without flags')
  return flags.split(' ')
}

const start = (file: string, words: readonly (string | number)[], flags: readonly string[] = []): Program => {
  const program = join(import.meta.dirname, 'fixtures', file)
  const child = execa(process.execPath, [...flags, program, ...words.map(String)], {
    stderr: 'inherit',
    reject: false,
    buffer: false,
  })
  const handlers: ((line: Line) => void)[] = []
  const first = Promise.withResolvers<Line>()
  void (async () => {
    for await (const line of child.iterable()) {
      const parsed = JSON.parse(line)
      first.resolve(parsed)
      for (const handle of handlers) handle(parsed)
    }
  })()
  return { child, lines: (handle) => handlers.push(handle), first: first.promise }
}

export const scrape = async (port: number): Promise<Map<string, number>> => {
  const text = await (
    await fetch(`http://127.0.0.1:${port}/metrics`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(1000 * LONGEST_WAIT_SECONDS),
    })
  ).text()
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )
}

/**
 * Starts the agents, then the collector with their mesh.
 * @param interval time between two probes of a path in seconds; default settings when absent
 */
export const startMeshFleet = async (
  agents: number,
  windowSeconds: number,
  ...interval: readonly number[]
) => {
  const folder = mkdtempSync(join(tmpdir(), 'meshgauge-bench-'))
  const programs: Program[] = []
  const close = async () => {
    for (const { child } of programs) child.kill('SIGTERM')
    await Promise.all(programs.map(({ child }) => child))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (let first = 0; first < agents; first += PER_PROCESS)
      programs.push(start('mesh-agents.ts', [first, Math.min(PER_PROCESS, agents - first)]))
    const waits: number[] = []
    const ports = (await Promise.all(programs.map(({ first }) => first))).flatMap((line) => line.ports ?? [])
    for (const { lines } of programs) lines((line) => waits.push(...(line.waits ?? [])))
    const agentPids = programs.map(({ child }) => child.pid!)
    const nodes = ports.map((port, node) => ({
      name: `b${node}`,
      address: `127.0.0.1:${port}`,
      rack: `r${Math.floor(node / 64)}`,
      labels: {},
      interfaces: ['net0'],
    }))
    writeFileSync(join(folder, 'fleet.json'), JSON.stringify(nodes))
    const words = [join(folder, 'fleet.json'), join(folder, 'store.db'), windowSeconds, ...interval]
    const collector = start('mesh-collector.ts', words, collectorFlags())
    programs.push(collector)
    const { http = 0, grpc = 0 } = await collector.first
    return { http, grpc, collectorPid: collector.child.pid!, agentPids, waits, close }
  } catch (error) {
    await close()
    throw error
  }
}
