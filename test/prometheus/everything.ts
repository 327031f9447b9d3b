import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { CulpritKind, FaultDirection, Summary, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { remember } from '../../collector/health/severity.ts'
import type { Metrics } from '../../collector/telemetry/metrics.ts'
import type { Observer } from '../../collector/telemetry/observe.ts'
import { endedRun, failedPair, iperfPair, pingPair, TRACE_ID } from '../../collector/telemetry/samples.ts'

/** Nodes that are ready. */
export const nodes = (...names: string[]) =>
  names.map((name) => Node.fromPartial({ name, state: NodeState.NODE_STATE_READY }))

/** Everything the catalogue has, so that every line of /metrics is there to be read and linted. */
export const observeEverything = (metrics: Metrics, observer: Observer): void => {
  const verdict = Verdict.fromPartial({
    kind: CulpritKind.CULPRIT_KIND_INTERFACE,
    node: 'node-3',
    interface: 'net0',
    direction: FaultDirection.FAULT_DIRECTION_TX,
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
  const summary = Summary.fromPartial({
    expectations: [{ expectation: { name: 'throughput_min' }, passed: false, failedCount: 2 }],
  })
  observer.observeRun(endedRun('iperf', { verdicts: [verdict], summary }), throughputs)
  observer.observeResults(endedRun('ping'), pings)
  observer.observeRun(endedRun('ping'), pings)
  const check = CheckResult.fromPartial({ check: 'interfaces', status: CheckStatus.CHECK_STATUS_WARN })
  observer.observeCheck('node-1', check)
  observer.observeRecord('node-1', remember(undefined, check, {}, new Date()))
  observer.observeOverlap('node-1', 'interfaces')
  const autopilot = { health: 'dcgm', cpumodel: 'N/A', gpumodel: 'N/A', deviceid: '' }
  metrics.autopilotHealthChecks.set({ node: 'node-1', ...autopilot }, 0)
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
