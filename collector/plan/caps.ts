import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import { type Caps, defaultCaps, unlimitedCaps } from './plan.ts'
import type { RunSpec, RunTest } from './run-spec.ts'

/** Whether a test sends payload in both directions: a bidirectional iperf3, or requests and responses of netperf. */
export const isBidirectional = (test: RunTest): boolean =>
  test.kind === 'iperf' &&
  (test.direction === Direction.DIRECTION_BIDIRECTIONAL || test.requestResponse !== undefined)

/** Returns the caps of a run. Pings share their interfaces and have none but the agents' own limits. */
export const capsOf = ({ test, caps }: RunSpec): Caps => {
  if (test.kind === 'ping') return unlimitedCaps
  return {
    perNode: caps?.perNodeCount || defaultCaps.perNode,
    perUplink: caps?.perUplinkCount || defaultCaps.perUplink,
    total: caps?.totalCount || defaultCaps.total,
    // A bidirectional test uses both directions of both nodes: two at once would measure each other.
    exclusiveNodes: caps?.exclusiveNodes || isBidirectional(test),
  }
}
