import type { TrafficFigures } from '../../traffic/active-traffic.ts'
import type { Metrics } from '../catalogue/metrics.ts'

/** Sets the gauges of all active traffic. The number of series grows with nodes and not with flows. */
export const createTrafficGauges = (metrics: Metrics): ((active: readonly TrafficFigures[]) => void) => {
  /** Restarts by traffic id that are in the counter already. */
  const counted = new Map<string, number>()
  return (active) => {
    const sum = (of: (figures: TrafficFigures) => number) => active.reduce((all, each) => all + of(each), 0)
    const moving = sum(({ movingCount }) => movingCount)
    metrics.trafficFlows.set({ state: 'moving' }, moving)
    metrics.trafficFlows.set({ state: 'dead' }, sum(({ flowCount }) => flowCount) - moving)
    metrics.trafficReceived.set(
      {},
      sum(({ receivedBitsPerSecond }) => receivedBitsPerSecond),
    )
    metrics.trafficAsked.set(
      {},
      sum(({ askedBitsPerSecond }) => askedBitsPerSecond),
    )
    for (const { id, restartCount } of active) {
      metrics.trafficRestarts.add({}, restartCount - (counted.get(id) ?? 0))
      counted.set(id, restartCount)
    }
    for (const id of counted.keys()) if (!active.some((each) => each.id === id)) counted.delete(id)

    const nodes = new Map<string, { received: number; sent: number; dead: number }>()
    for (const each of active) {
      for (const [node, { received, sent, dead }] of each.nodes) {
        const total = nodes.get(node) ?? { received: 0, sent: 0, dead: 0 }
        nodes.set(node, {
          received: total.received + received,
          sent: total.sent + sent,
          dead: total.dead + dead,
        })
      }
    }
    const isGone = ({ node }: { node: string }) => !nodes.has(node)
    metrics.nodeTraffic.removeWhere(isGone)
    metrics.nodeTrafficDead.removeWhere(isGone)
    for (const [node, { received, sent, dead }] of nodes) {
      metrics.nodeTraffic.set({ node, direction: 'rx' }, received)
      metrics.nodeTraffic.set({ node, direction: 'tx' }, sent)
      metrics.nodeTrafficDead.set({ node }, dead)
    }
  }
}
