/**
 * CPU and memory of the collector for the ping mesh: agents × 21 targets, with one probe per second in windows of 10 s and
 * of 1 s, and with the default settings. Agents are gRPC servers in other processes. `mesh.bench.ts [AGENTS,...] [SECONDS]`,
 * by default 100,300 and 20 s; the full sizes are 100,300,1000,3000.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa, type Subprocess } from 'execa'
import { windowFor } from '../../collector/mesh/assign/intervals.ts'
import { costOf, expectAtMost } from './figures.ts'

const [sizes = '100,300', seconds = '20'] = process.argv.slice(2)
/** Reads one line of JSON from a program. */
type Line = { ports?: number[]; waits?: number[]; http?: number }

/** `rate` is the time between two probes of a path in seconds; default settings when absent. */
type Shape = { windowSeconds: number; rate: readonly number[] }
const SHAPES: readonly Shape[] = [
  { windowSeconds: 10, rate: [1] },
  { windowSeconds: 1, rate: [1] },
  { windowSeconds: 10, rate: [] },
]
const PER_PROCESS = 250
const LONGEST_WAIT_SECONDS = 120

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

const scrape = async (port: number): Promise<Map<string, number>> => {
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

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(q * values.length) - 1)] ?? Number.NaN

const measure = async (agents: number, { windowSeconds, rate }: Shape) => {
  const folder = mkdtempSync(join(tmpdir(), 'meshgauge-bench-'))
  const programs: Program[] = []
  try {
    for (let first = 0; first < agents; first += PER_PROCESS) {
      programs.push(start('mesh-agents.ts', [first, Math.min(PER_PROCESS, agents - first)]))
    }
    const waits: number[] = []
    const ports = (await Promise.all(programs.map(({ first }) => first))).flatMap((line) => line.ports ?? [])
    for (const { lines } of programs) lines((line) => waits.push(...(line.waits ?? [])))
    const nodes = ports.map((port, node) => ({
      name: `b${node}`,
      address: `127.0.0.1:${port}`,
      rack: `r${Math.floor(node / 64)}`,
      labels: {},
      interfaces: ['net0'],
    }))
    writeFileSync(join(folder, 'fleet.json'), JSON.stringify(nodes))
    const collector = start(
      'mesh-collector.ts',
      [join(folder, 'fleet.json'), join(folder, 'store.db'), windowSeconds, ...rate],
      collectorFlags(),
    )
    programs.push(collector)
    const { http = 0 } = await collector.first
    // At any time, a sixth of the nodes has new peers without windows yet.
    const paths = 0.7 * agents * 21
    for (
      let waited = 0;
      ((await scrape(http)).get('meshgauge_mesh_paths{state="up"}') ?? 0) < paths;
      waited++
    ) {
      if (waited > LONGEST_WAIT_SECONDS) throw new Error('the mesh does not come up')
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    // Wait for two windows, until the start is over.
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(5, windowSeconds)))
    waits.length = 0
    const before = (await scrape(http)).get('meshgauge_mesh_windows_total') ?? 0
    const startMs = performance.now()
    const cost = await costOf(collector.child.pid!, Number(seconds))
    const after = await scrape(http)
    const took = (performance.now() - startMs) / 1000
    return {
      ...cost,
      windowsPerSecond: ((after.get('meshgauge_mesh_windows_total') ?? 0) - before) / took,
      delay99: after.get('meshgauge_event_loop_delay_seconds{stat="p99"}') ?? Number.NaN,
      waiting: after.get('meshgauge_mesh_waiting_windows') ?? Number.NaN,
      wait50: quantile(waits, 0.5) / 1000,
      wait99: quantile(waits, 0.99) / 1000,
    }
  } finally {
    for (const { child } of programs) child.kill('SIGTERM')
    await Promise.all(programs.map(({ child }) => child))
    rmSync(folder, { recursive: true, force: true })
  }
}

console.log(
  'agents  probes of a path  window  windows/s  CPU (of a core)  CPU ms per 1000 windows  RSS MiB  loop p99 ms  stored after s (p50, p99)',
)
for (const agents of sizes.split(',').map(Number)) {
  for (const shape of SHAPES) {
    const found = await measure(agents, shape).catch((error: Error) => error)
    if (found instanceof Error) {
      console.log(
        `${agents} agents with windows of ${shape.windowSeconds} s are too many here: ${found.message}`,
      )
      continue
    }
    console.log(
      [
        String(agents).padStart(6),
        (shape.rate.length > 0 ? 'each second' : 'by default').padStart(16),
        // Metrics of the collector itself.
        `${windowFor(shape.windowSeconds, agents * 21)} s`.padStart(6),
        found.windowsPerSecond.toFixed(0).padStart(9),
        found.cpuRatio.toFixed(3).padStart(15),
        ((1e6 * found.cpuRatio) / found.windowsPerSecond).toFixed(1).padStart(23),
        found.residentMebibytes.toFixed(0).padStart(7),
        (1000 * found.delay99).toFixed(1).padStart(11),
        `${found.wait50.toFixed(2)}, ${found.wait99.toFixed(2)}`.padStart(12),
      ].join('  '),
    )
    if (agents !== 1000) continue
    expectAtMost('CPU of 1,000 agents', found.cpuRatio, 1, ' cores')
    expectAtMost('memory of 1,000 agents', found.residentMebibytes, 512, ' MiB')
  }
}
