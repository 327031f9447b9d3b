import type { Traffic as TrafficMessage } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { TrafficSpec } from './assign/traffic-spec.ts'

/** The state of one traffic. */
export type Traffic = Omit<TrafficMessage, 'spec'> & { spec: TrafficSpec }
