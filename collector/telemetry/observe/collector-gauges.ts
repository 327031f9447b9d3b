import type { CallObserver } from '../../../lib/call-observer.ts'
import type { Metrics } from '../catalogue/metrics.ts'

/** Counts ended calls by method and code, and open calls by method. The number of series does not depend on the fleet. */
export const observeCalls = (
  calls: Metrics['grpcServerCalls' | 'grpcClientCalls'],
  open: Metrics['grpcServerOpen' | 'grpcClientOpen'],
): CallObserver => {
  const counts = new Map<string, number>()
  const addOpen = (method: string, by: number) => {
    const count = (counts.get(method) ?? 0) + by
    counts.set(method, count)
    open.set({ method }, count)
  }
  return {
    onStart: (method) => addOpen(method, 1),
    onEnd: (method, code) => {
      addOpen(method, -1)
      calls.add({ method, code })
    },
  }
}

/** Registers the gauges of agent connections, queued runs and waiting results. Their values are read at each scrape. */
export const registerCollectorGauges = (
  metrics: Metrics,
  parts: {
    fleet: { connectionStates(): ReadonlyMap<string, number> }
    runs: { backlog(): { runs: number; results: number } }
  },
): void => {
  metrics.agentConnections.readWith((gauge) => {
    gauge.removeWhere(() => true)
    for (const [state, count] of parts.fleet.connectionStates()) gauge.set({ state }, count)
  })
  metrics.runsQueued.readWith((gauge) => gauge.set({}, parts.runs.backlog().runs))
  metrics.resultsWaiting.readWith((gauge) => gauge.set({}, parts.runs.backlog().results))
}
