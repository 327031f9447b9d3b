import type { CallObserver } from '../../../lib/rpc-counting.ts'
import type { Metrics } from '../catalogue/metrics.ts'

/** Counts calls by method and code, and those that are open by method: O(methods), however many agents there are. */
export const observeCalls = (
  calls: Metrics['grpcServerCalls' | 'grpcClientCalls'],
  open: Metrics['grpcServerOpen' | 'grpcClientOpen'],
): CallObserver => {
  const counts = new Map<string, number>()
  const count = (method: string, by: number) => {
    const now = (counts.get(method) ?? 0) + by
    counts.set(method, now)
    open.set({ method }, now)
  }
  return {
    onStart: (method) => count(method, 1),
    onEnd: (method, code) => {
      count(method, -1)
      calls.add({ method, code })
    },
  }
}

/** What is read of the collector's own parts each time that somebody asks. */
export const watchCollector = (
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
