/** Cost of a scrape of /metrics: series, bytes, and the time for which it blocks the event loop. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { metrics as api } from '@opentelemetry/api'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import { addResult } from '../../collector/health/state/findings.ts'
import { createNode } from '../../collector/inventory/node.ts'
import { createMetrics, type Metrics } from '../../collector/telemetry/catalogue/metrics.ts'
import { type Format, renderMetrics } from '../../collector/telemetry/expose/exposition.ts'
import { registerMeshGauges } from '../../collector/telemetry/observe/mesh-gauges.ts'
import { createObserver } from '../../collector/telemetry/observe/observer.ts'
import { createScheduleObserver } from '../../collector/telemetry/observe/schedule-observer.ts'
import { createTrafficGauges } from '../../collector/telemetry/observe/traffic-gauges.ts'
import { endedRun, failedPair, iperfPair, pingPair } from '../../collector/telemetry/testing/samples.ts'
import { systemClock } from '../../lib/clock.ts'
import { expectAtMost, median } from './figures.ts'
import { createPopulatedMesh } from './populated-mesh.ts'

const INTERFACES = ['net0', 'net1']
const CHECKS = ['addresses', 'clock', 'disk', 'host', 'interfaces', 'reachability']
/** Number of shifts of the mesh. */
const SHIFTS = [1, 5, 25]
const SCRAPES = 5
const RACK_SIZE = 16
const SCHEDULES = ['mesh', 'daily', 'weekly']
/** Time between two scrapes: each one needs a new snapshot of the mesh. */
const SCRAPE_SECONDS = 15

const onInterface = (result: PairResult, name: string): PairResult => ({
  ...result,
  source: { ...result.source!, interface: name },
  destination: { ...result.destination!, interface: name },
})

/** Observes the default schedules after a day, and sustained traffic between all nodes. */
const fillOthers = (metrics: Metrics, names: readonly string[]) => {
  const schedules = createScheduleObserver(metrics)
  const day = Date.now() - 86_400_000
  for (const schedule of SCHEDULES) {
    schedules.observeTimes(schedule, Date.now() + 3_600_000, day)
    schedules.observeStart(schedule, 0.01)
    schedules.observeBudget(schedule, day, { bytes: undefined, busy: 0.5 })
  }
  const coverage = { pairCount: 1000, coveredCount: 143, overdueCount: 857, neverCount: 857 }
  schedules.observeCoverage('weekly', { ...coverage, oldestSeconds: undefined }, 7 * 86_400)
  const totals = names.map((node) => [node, { received: 1e9, sent: 1e9, dead: 0 }] as const)
  const flows = { flowCount: names.length, movingCount: names.length, restartCount: 0 }
  const rates = { askedBitsPerSecond: 1e12, receivedBitsPerSecond: 1e12 }
  createTrafficGauges(metrics)([{ id: 'traffic', ...flows, ...rates, nodes: new Map(totals) }])
}

/**
 * The metrics of a collector after a run of each test on every interface and each check on every node, with a ping mesh,
 * schedules and traffic.
 */
const fill = (count: number) => {
  const metrics = createMetrics({ meter: api.getMeter('bench') }, { version: 'bench' })
  const observer = createObserver({ metrics })
  const names = Array.from({ length: count }, (_, index) => `node-${index}`)
  observer.observeNodes(
    names.map((name, index) =>
      createNode({
        name,
        rack: `rack-${Math.floor(index / RACK_SIZE)}`,
        state: 'ready',
      }),
    ),
  )
  const pairs = (make: (source: string, destination: string) => PairResult) =>
    INTERFACES.flatMap((name) =>
      SHIFTS.flatMap((shift) =>
        names.map((source, index) => onInterface(make(source, names[(index + shift) % count]!), name)),
      ),
    )
  const mesh = INTERFACES.length * count * (count - 1)
  for (const [test, make] of [
    ['iperf', (a: string, b: string) => iperfPair(a, b, 9.4e9)],
    ['ping', (a: string, b: string) => pingPair(a, b, 10, [1e-4, 2e-4, 3e-4])],
  ] as const) {
    const results = [...pairs(make), failedPair('node-0', 'node-1', Outcome.OUTCOME_REFUSED)]
    const run = endedRun(test, { plan: { ...endedRun(test).plan!, pairCount: mesh } })
    observer.observeResults(run, results)
    observer.observeRun(run, results)
  }
  for (const node of names) {
    for (const name of CHECKS) {
      const check = CheckResult.fromPartial({ check: name, status: CheckStatus.CHECK_STATUS_PASS })
      observer.observeCheck(node, check)
      observer.observeRecord(node, addResult(undefined, check, {}, new Date()))
    }
  }
  fillOthers(metrics, names)
  const wall = systemClock
  const start = wall.now()
  let seconds = 0
  const meshes = createPopulatedMesh(names, INTERFACES, { rackSize: RACK_SIZE, nowMs: start.getTime() })
  registerMeshGauges(
    {
      metrics,
      clock: {
        monotonicSeconds: () => seconds,
      },
    },
    meshes,
  )
  return Object.assign(metrics, {
    pass: () => {
      seconds += SCRAPE_SECONDS
    },
  })
}

/** Delay of timers during a scrape, and duration of the scrape, in milliseconds. */
const measure = async (metrics: ReturnType<typeof fill>, format: Format) => {
  let bytes = 0
  const [took, blocked]: [number[], number[]] = [[], []]
  const delay = monitorEventLoopDelay({ resolution: 1 })
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    metrics.pass()
    delay.enable()
    await sleep(20)
    delay.reset()
    const start = performance.now()
    bytes = (await renderMetrics(metrics.registry, format)).length
    took.push(performance.now() - start)
    await sleep(5)
    delay.disable()
    blocked.push(delay.max / 1e6)
  }
  return { bytes, blocked: median(blocked), worst: Math.max(...blocked), took: median(took) }
}

const seriesOf = async (metrics: ReturnType<typeof fill>): Promise<number> => {
  const text = String(await renderMetrics(metrics.registry, 'text'))
  return text.split('\n').filter((line) => /^(meshgauge|autopilot)_/.test(line)).length
}

for (const count of [10, 45, 64, 100, 300, 1000]) {
  const metrics = fill(count)
  const series = await seriesOf(metrics)
  console.log(
    `${count} nodes with ${INTERFACES.length} interfaces and ${CHECKS.length} checks: ${series} series`,
  )
  if (count >= 100) expectAtMost('series of a node', series / count, 60)
  for (const format of ['text', 'openmetrics'] as const) {
    const { bytes, blocked, worst, took } = await measure(metrics, format)
    console.log(
      `  ${format}: ${bytes} bytes in ${took.toFixed(0)} ms; worst of ${SCRAPES} held the event loop for ${worst.toFixed(1)} ms`,
    )
    expectAtMost('event loop blocked by one scrape (median)', blocked, 20, ' ms')
  }
  metrics.close()
}
