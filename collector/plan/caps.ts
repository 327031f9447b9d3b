import { Direction } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { type Caps, defaultCaps, unlimitedCaps } from './plan.ts'

/** Whether a test sends payload in both directions: a bidirectional iperf3, or requests and responses of netperf. */
export const isBidirectional = ({ test }: RunSpec): boolean =>
  test?.$case === 'iperf' &&
  (test.value.options?.direction === Direction.DIRECTION_BIDIRECTIONAL ||
    test.value.options?.requestResponse !== undefined)

/** Returns the caps of a run. Pings share their interfaces and have none but the agents' own limits. */
export const capsOf = (spec: RunSpec): Caps => {
  if (spec.test?.$case === 'ping') return unlimitedCaps
  const { caps } = spec
  return {
    perNode: caps?.perNodeCount || defaultCaps.perNode,
    perUplink: caps?.perUplinkCount || defaultCaps.perUplink,
    total: caps?.totalCount || defaultCaps.total,
    // A bidirectional test uses both directions of both nodes: two at once would measure each other.
    exclusiveNodes: caps?.exclusiveNodes || isBidirectional(spec),
  }
}
