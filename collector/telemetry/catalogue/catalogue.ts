import { COLLECTOR_METRICS } from './collector.ts'
import { MESH_METRICS } from './mesh.ts'
import { NODE_METRICS } from './nodes.ts'
import { PAIR_METRICS } from './pairs.ts'
import { RUN_METRICS } from './runs.ts'
import { SCHEDULE_METRICS } from './schedules.ts'
import { STORE_METRICS } from './store.ts'
import { TRAFFIC_METRICS } from './traffic.ts'

/**
 * Every metric of the collector. Both sinks (/metrics and OTLP) are created from it. Units are base units, and names of
 * counters end in _total. The number of series grows with the number of nodes, not of pairs, except for metrics of pairs,
 * which have a budget.
 */
export const CATALOGUE = {
  ...RUN_METRICS,
  ...NODE_METRICS,
  ...PAIR_METRICS,
  ...MESH_METRICS,
  ...TRAFFIC_METRICS,
  ...SCHEDULE_METRICS,
  ...COLLECTOR_METRICS,
  ...STORE_METRICS,
}

export type Catalogue = typeof CATALOGUE
export type MetricKey = keyof Catalogue
