import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Summary } from '#proto/meshgauge/collector/v1/result.ts'
import { summaryOf } from '../../collector/diagnosis/summary-message.ts'
import { createVerdict } from '../../collector/diagnosis/verdict.ts'
import { addResult } from '../../collector/health/state/findings.ts'
import { createNode } from '../../collector/inventory/node.ts'
import type { Metrics } from '../../collector/telemetry/catalogue/metrics.ts'
import type { Observer } from '../../collector/telemetry/observe/observer.ts'
import {
  endedRun,
  failedPair,
  iperfPair,
  pingPair,
  TRACE_ID,
} from '../../collector/telemetry/testing/samples.ts'

/** Nodes in the state READY. */
export const nodes = (...names: string[]) =>
  names.map((name, index) => createNode({ name, rack: index === 0 ? 'r1' : 'r2', state: 'ready' }))

const observeMesh = (metrics: Metrics): void => {
  for (const node of ['node-1', 'node-2', 'node-3']) {
    const interfaceOf = { node, interface: 'net0' }
    for (const direction of ['tx', 'rx'] as const)
      metrics.meshLoss.set({ ...interfaceOf, direction }, node === 'node-3' ? 0.05 : 0)
    metrics.meshRtt.set({ ...interfaceOf, stat: 'p50' }, 1e-4)
    metrics.meshRtt.set({ ...interfaceOf, stat: 'p99' }, 2e-4)
    metrics.meshNodePaths.set({ node, state: 'down' }, 0)
    metrics.meshNodePaths.set({ node, state: 'lossy' }, 1)
    metrics.meshClockOffset.set({ node }, -0.01)
  }
  const pair = { source: 'node-1', destination: 'node-2', interface: 'net0' }
  const racks = { source_rack: 'r1', destination_rack: 'r2' }
  metrics.meshPairLoss.set(pair, 0.05)
  metrics.meshPairRtt.set(pair, 1e-4)
  metrics.meshWorstLoss.set({ rank: '1', ...pair }, 0.05)
  metrics.meshRackLoss.set(racks, 0.05)
  metrics.meshRackRtt.set(racks, 1e-4)
  metrics.meshLossyInterface.set({ node: 'node-3', interface: 'net0' }, 0.05)
  for (const [state, count] of Object.entries({ up: 4, lossy: 2, down: 0, stale: 0 }))
    metrics.meshPaths.set({ state }, count)
  metrics.meshStreams.set({ state: 'delivering' }, 3)
  metrics.meshStreams.set({ state: 'silent' }, 0)
  metrics.meshWindows.add({}, 6)
  metrics.meshDropped.add({}, 0)
  metrics.meshEvents.add({ state: 'lossy' })
  metrics.meshRelapses.add({})
  metrics.meshDetection.observe({}, 2)
  metrics.meshWaiting.set({}, 6)
  metrics.meshAssignments.add({}, 3)
  metrics.meshCoverage.set({ mesh: 'mesh' }, 0)
}

/** A schedule that was created two hours ago and must cover its pairs within an hour. */
const observeSchedules = (metrics: Metrics): void => {
  const schedule = 'weekly'
  const now = Date.now() / 1000
  metrics.scheduleStarts.add({ schedule })
  metrics.scheduleMissed.add({ schedule }, 0)
  metrics.scheduleLate.add({ schedule }, 0)
  metrics.scheduleSkipped.add({ schedule, reason: 'failed' }, 0)
  metrics.scheduleLateness.set({ schedule }, 0.01)
  metrics.scheduleNextStart.set({ schedule }, now + 60)
  metrics.scheduleLastSuccess.set({ schedule }, now - 60)
  metrics.scheduleCreated.set({ schedule }, now - 7200)
  metrics.scheduleBudget.set({ schedule, resource: 'busy' }, 0.5)
  metrics.coverageObjective.set({ schedule }, 3600)
  metrics.coveragePairs.set({ schedule }, 6)
  metrics.coverageOverdue.set({ schedule }, 2)
  metrics.coverageNever.set({ schedule }, 1)
}

const observeTraffic = (metrics: Metrics): void => {
  metrics.trafficFlows.set({ state: 'moving' }, 6)
  metrics.trafficFlows.set({ state: 'dead' }, 0)
  metrics.trafficReceived.set({}, 5.9e9)
  metrics.trafficAsked.set({}, 6e9)
  metrics.trafficRestarts.add({}, 0)
  for (const direction of ['tx', 'rx'] as const) metrics.nodeTraffic.set({ node: 'node-1', direction }, 2e9)
  metrics.nodeTrafficDead.set({ node: 'node-1' }, 0)
}

/** Observes a value for every metric of the catalogue, so that /metrics contains all of them. */
export const observeAllMetrics = (metrics: Metrics, observer: Observer): void => {
  const verdict = createVerdict({
    kind: 'interface',
    node: 'node-3',
    interface: 'net0',
    direction: 'tx',
    confidence: 0.98,
  })
  const throughputs = [
    iperfPair('node-1', 'node-2', 9.4e9),
    iperfPair('node-1', 'node-3', 9.2e9),
    iperfPair('node-2', 'node-1', 9.3e9),
    iperfPair('node-3', 'node-1', 5e7),
    failedPair('node-2', 'node-3', Outcome.OUTCOME_REFUSED),
  ]
  const pings = [
    pingPair('node-1', 'node-2', 10, new Array(9).fill(0.0001)),
    pingPair('node-2', 'node-1', 10, new Array(10).fill(0.0002)),
  ]
  observer.observeNodes(nodes('node-1', 'node-2', 'node-3'))
  observer.observeResults(endedRun('iperf'), throughputs)
  const summary = summaryOf(
    Summary.fromPartial({
      expectations: [{ expectation: { name: 'throughput_min' }, passed: false, failedCount: 2 }],
    }),
  )
  const run = endedRun('iperf', { verdicts: [verdict], summary })
  observer.observeRun({ ...run, spec: { ...run.spec, schedule: 'nightly' } }, throughputs)
  metrics.runEfficiency.set({ test: 'iperf', topology: 'mesh' }, 0.9)
  observer.observeResults(endedRun('ping'), pings)
  observer.observeRun(endedRun('ping'), pings)
  const check = CheckResult.fromPartial({ check: 'interfaces', status: CheckStatus.CHECK_STATUS_WARN })
  observer.observeCheck('node-1', check)
  observer.observeRecord('node-1', addResult(undefined, check, {}, new Date()))
  observer.observeOverlap('node-1', 'interfaces')
  const autopilot = { health: 'dcgm', cpumodel: 'N/A', gpumodel: 'N/A', deviceid: '' }
  metrics.autopilotHealthChecks.set({ node: 'node-1', ...autopilot }, 0)
  observeMesh(metrics)
  observeSchedules(metrics)
  observeTraffic(metrics)
  metrics.runsActive.set({}, 0)
  metrics.testsActive.set({ test: 'iperf' }, 0)
  metrics.dispatchLag.observe({}, 0.01, TRACE_ID)
  metrics.storeWrite.observe({ operation: 'append_results' }, 0.001)
  metrics.storeErrors.add({ operation: 'append_results' }, 0)
  metrics.storeSize.set({}, 3e8)
  metrics.storeFree.set({}, 1e7)
  metrics.storeMaxSize.set({}, 4e9)
  metrics.storeRows.set({ level: 'raw' }, 1e6)
  metrics.storeOldest.set({ level: 'raw' }, Date.now() / 1000 - 3600)
  metrics.storeExpire.set({}, Date.now() / 1000 - 60)
  metrics.storeWindows.add({}, 100)
  metrics.storeWaiting.set({}, 40)
  metrics.storeMaintain.observe({}, 0.004)
  metrics.agentConnections.set({ state: 'ready' }, 3)
  metrics.grpcServerCalls.add({ method: 'meshgauge.collector.v1.RunService/GetRun', code: 'ok' })
  metrics.grpcServerCalls.add({ method: 'meshgauge.collector.v1.RunService/GetRun', code: 'not_found' })
  metrics.grpcServerOpen.set({ method: 'meshgauge.collector.v1.RunService/WatchRun' }, 1)
  metrics.grpcClientCalls.add({ method: 'meshgauge.agent.v1.IperfService/Run', code: 'ok' })
  metrics.grpcClientCalls.add({ method: 'meshgauge.agent.v1.AgentService/Describe', code: 'unavailable' })
  metrics.grpcClientOpen.set({ method: 'meshgauge.agent.v1.IperfService/Run' }, 1)
  metrics.resultsDropped.add({ reason: 'watcher' }, 0)
  metrics.seriesDropped.add({ metric: 'meshgauge_node_up' }, 0)
}
