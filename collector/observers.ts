import { createAutopilotGauge } from './autopilot/gauge.ts'
import type { Health, HealthObserver } from './health/health.ts'
import type { Fleet } from './inventory/fleet.ts'
import type { MeshObserver } from './mesh/dependencies.ts'
import type { RunObserver } from './runs/deps.ts'
import type { CoverageLedger } from './schedules/coverage/coverage-ledger.ts'
import type { MeshCoverage } from './schedules/coverage/mesh-coverage.ts'
import type { Metrics } from './telemetry/catalogue/metrics.ts'
import { createMeshObserver } from './telemetry/observe/mesh-gauges.ts'
import type { Observer } from './telemetry/observe/observer.ts'

/** Returns the observer of runs: metrics, health, and the coverage ledger. */
export const observeRuns = (
  metrics: Metrics,
  observer: Observer,
  health: Pick<Health, 'observeRun'>,
  ledger: Pick<CoverageLedger, 'recordResults'>,
): RunObserver => {
  const testsActive = new Map<string, number>()
  const count = (test: string, by: number) => {
    testsActive.set(test, (testsActive.get(test) ?? 0) + by)
    metrics.testsActive.set({ test }, testsActive.get(test)!)
  }
  return {
    ...observer,
    observeResults: (run, results) => {
      observer.observeResults(run, results)
      ledger.recordResults(run.spec.test.kind, results)
    },
    observeRun: (run, results) => {
      observer.observeRun(run, results)
      health.observeRun(run, results)
      // The results now include those of retests.
      ledger.recordResults(run.spec.test.kind, results)
    },
    observeActive: (active) => metrics.runsActive.set({}, active),
    observeDropped: (reason, count) => metrics.resultsDropped.add({ reason }, count),
    observeTestStart: (test, lagSeconds, traceId) => {
      metrics.dispatchLag.observe({}, lagSeconds, traceId)
      count(test, 1)
    },
    observeTestEnd: (test) => count(test, -1),
  }
}

/** Returns the observer of checks: metrics, and the gauge of IBM Autopilot. */
export const observeHealth = (
  metrics: Metrics,
  observer: Observer,
  fleet: Pick<Fleet, 'nodes'>,
): HealthObserver => {
  const gauge = createAutopilotGauge({ metrics, nodes: fleet.nodes })
  return {
    ...observer,
    observeRecord: (node, record) => {
      observer.observeRecord(node, record)
      gauge.observeRecord(node, record)
    },
  }
}

/** Returns the observer of meshes: metrics, and the coverage ledger. */
export const observeMeshes = (metrics: Metrics, coverage: Pick<MeshCoverage, 'record'>): MeshObserver => ({
  ...createMeshObserver(metrics),
  observeMeasured: ({ id, source, destination }, endMs) => {
    const key = { source: source.node, destination: destination.node, interface: source.interface }
    coverage.record(id, key, endMs)
  },
})
