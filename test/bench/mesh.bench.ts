/**
 * CPU and memory of the collector for the ping mesh: agents × 21 targets, with one probe per second in windows of 10 s and
 * of 1 s, and with the default settings. Agents are gRPC servers in other processes. `mesh.bench.ts [AGENTS,...] [SECONDS]`,
 * by default 100,300 and 20 s; the full sizes are 100,300,1000,3000.
 */

import { windowFor } from '../../collector/mesh/assign/intervals.ts'
import { quantileOf } from '../../lib/statistics.ts'
import { costOf, expectAtMost } from './figures.ts'
import { LONGEST_WAIT_SECONDS, scrape, startMeshFleet } from './mesh-fleet.ts'

const [sizes = '100,300', seconds = '20'] = process.argv.slice(2)
/** `rate` is the time between two probes of a path in seconds; default settings when absent. */
type Shape = { windowSeconds: number; rate: readonly number[] }
const SHAPES: readonly Shape[] = [
  { windowSeconds: 10, rate: [1] },
  { windowSeconds: 1, rate: [1] },
  { windowSeconds: 10, rate: [] },
]
const measure = async (agents: number, { windowSeconds, rate }: Shape) => {
  const fleet = await startMeshFleet(agents, windowSeconds, ...rate)
  const { http, waits } = fleet
  try {
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
    const cost = await costOf(fleet.collectorPid, Number(seconds))
    const after = await scrape(http)
    const took = (performance.now() - startMs) / 1000
    return {
      ...cost,
      windowsPerSecond: ((after.get('meshgauge_mesh_windows_total') ?? 0) - before) / took,
      delay99: after.get('meshgauge_event_loop_delay_seconds{stat="p99"}') ?? Number.NaN,
      waiting: after.get('meshgauge_mesh_waiting_windows') ?? Number.NaN,
      wait50: (quantileOf(waits, 0.5) ?? Number.NaN) / 1000,
      wait99: (quantileOf(waits, 0.99) ?? Number.NaN) / 1000,
    }
  } finally {
    await fleet.close()
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
