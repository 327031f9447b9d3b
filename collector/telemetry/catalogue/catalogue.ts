import { SELF } from './collector.ts'
import { AUTOPILOT_NAME, type MetricDefinition } from './definition.ts'
import { MESH } from './mesh.ts'
import { PAIRS } from './pairs.ts'
import { SCHEDULES } from './schedules.ts'
import { STORE } from './store.ts'
import { TRAFFIC } from './traffic.ts'

export type { MetricDefinition } from './definition.ts'

const SECONDS_OF_A_RUN = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600]
const SECONDS_OF_A_DISPATCH = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const RUNS = {
  runs: {
    kind: 'counter',
    name: 'meshgauge_runs_total',
    help: 'Runs that have ended, by the state they ended in. Normally all are completed.',
    unit: '{run}',
    labels: ['test', 'topology', 'state'],
  },
  runDuration: {
    kind: 'histogram',
    name: 'meshgauge_run_duration_seconds',
    help: 'Wall time of runs, from the first pair to the last. Normal is what the plan said.',
    unit: 's',
    labels: ['test'],
    buckets: SECONDS_OF_A_RUN,
  },
  runEfficiency: {
    kind: 'gauge',
    name: 'meshgauge_run_efficiency_ratio',
    help: "The plan's wall time over the real one, of the last completed run. Normal is 0.85 to 1.",
    unit: '1',
    labels: ['test', 'topology'],
  },
  pairs: {
    kind: 'counter',
    name: 'meshgauge_pairs_total',
    help: 'Pairs with an outcome. Normally all are measured.',
    unit: '{pair}',
    labels: ['test', 'outcome'],
  },
  expectationMissed: {
    kind: 'gauge',
    name: 'meshgauge_expectation_missed_pairs',
    help: 'Pairs that missed an expectation, such as a floor of throughput, in the last run that had it; 1 when only the fleet as a whole did. Normal is 0.',
    unit: '{pair}',
    labels: ['test', 'topology', 'expectation'],
  },
  runsActive: {
    kind: 'gauge',
    name: 'meshgauge_runs_active',
    help: 'Runs that wait or measure now. Normally 0 or 1.',
    unit: '{run}',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>

const NODES = {
  nodeThroughput: {
    kind: 'gauge',
    name: 'meshgauge_node_throughput_bits_per_second',
    help: "Received throughput over a node's peers in its last iperf run (min, median). Normal is near the interface's speed.",
    unit: '{bit}/s',
    labels: ['node', 'interface', 'direction', 'stat'],
  },
  nodePingLoss: {
    kind: 'gauge',
    name: 'meshgauge_node_ping_loss_ratio',
    help: "Probes lost over probes sent, over a node's peers in its last ping run. Normal is 0.",
    unit: '1',
    labels: ['node', 'interface', 'direction'],
  },
  nodeRtt: {
    kind: 'gauge',
    name: 'meshgauge_node_rtt_seconds',
    help: 'Round-trip time from a node to its peers in its last ping run (p50, p99), from merged histograms. Normal is below 1 ms in a rack.',
    unit: 's',
    labels: ['node', 'interface', 'stat'],
  },
  nodeFailedPairs: {
    kind: 'gauge',
    name: 'meshgauge_node_failed_pairs',
    help: 'Pairs from or to a node that were unreachable, refused or timed out in its last run. Normal is 0.',
    unit: '{pair}',
    labels: ['node', 'interface', 'test'],
  },
  nodeMeasuredTimestamp: {
    kind: 'gauge',
    name: 'meshgauge_node_measured_timestamp_seconds',
    help: 'When a pair of the node was last measured, in Unix time: how old its other values are.',
    unit: 's',
    labels: ['node', 'test'],
  },
  rackThroughput: {
    kind: 'gauge',
    name: 'meshgauge_rack_throughput_bits_per_second',
    help: 'Median received throughput of the pairs from one rack to another in the last iperf run that had such pairs; racks as in meshgauge_mesh_rack_loss_ratio. Normally all are about equal.',
    unit: '{bit}/s',
    labels: ['source_rack', 'destination_rack'],
  },
  worstThroughput: {
    kind: 'gauge',
    name: 'meshgauge_worst_pair_throughput_bits_per_second',
    help: 'The 10 slowest measured pairs of the last iperf run, rank 1 the slowest. Normally all ranks are about equal.',
    unit: '{bit}/s',
    labels: ['rank', 'source', 'destination', 'interface'],
  },
  worstLoss: {
    kind: 'gauge',
    name: 'meshgauge_worst_pair_loss_ratio',
    help: 'The 10 pairs of the last ping run that lost most, rank 1 the worst; pairs without loss are not here. Normally empty.',
    unit: '1',
    labels: ['rank', 'source', 'destination', 'interface'],
  },
  verdicts: {
    kind: 'gauge',
    name: 'meshgauge_verdicts',
    help: 'Current verdicts, each with its confidence from 0 to 1. Normally there are none.',
    unit: '{verdict}',
    labels: ['test', 'kind', 'node', 'interface', 'direction', 'peer', 'rack'],
  },
  checkStatus: {
    kind: 'gauge',
    name: 'meshgauge_check_status',
    help: 'Last result of a check: 0 pass, 1 warn, 2 fail, 3 the check could not be carried out. Normal is 0.',
    unit: '{status}',
    labels: ['node', 'check'],
  },
  checkSeverity: {
    kind: 'gauge',
    name: 'meshgauge_check_severity',
    help: 'What stands of a check, also when its last result was a lighter pass: 0 pass, 1 warn, 2 fail, 3 evict. Normal is 0.',
    unit: '{severity}',
    labels: ['node', 'check'],
  },
  checkTimestamp: {
    kind: 'gauge',
    name: 'meshgauge_check_timestamp_seconds',
    help: 'When a check last had a result, in Unix time: how old its other values are.',
    unit: 's',
    labels: ['node', 'check'],
  },
  checkOverlaps: {
    kind: 'counter',
    name: 'meshgauge_check_overlaps_total',
    help: 'Starts of a check that were dropped because it ran on the node already. Normal is 0.',
    unit: '{start}',
    labels: ['node', 'check'],
  },
  autopilotHealthChecks: {
    kind: 'gauge',
    name: AUTOPILOT_NAME,
    help: 'What IBM Autopilot shows of a check: GB/s for pciebw, else 0 well or 1 not, by GPU or by peer node. Normal is 0, and above 4 for pciebw.',
    unit: '{value}',
    labels: ['health', 'node', 'cpumodel', 'gpumodel', 'deviceid'],
  },
  nodeInfo: {
    kind: 'gauge',
    name: 'meshgauge_node_info',
    help: 'Always 1; the labels say which rack a node is in, to choose nodes by it.',
    unit: '{node}',
    labels: ['node', 'rack'],
  },
  nodeUp: {
    kind: 'gauge',
    name: 'meshgauge_node_up',
    help: "1 when the node's agent answers, 0 when it is silent. Normal is 1.",
    unit: '{node}',
    labels: ['node'],
  },
} as const satisfies Record<string, MetricDefinition>

const COLLECTOR = {
  nodes: {
    kind: 'gauge',
    name: 'meshgauge_nodes',
    help: 'Nodes of the inventory by state. Normally all are ready.',
    unit: '{node}',
    labels: ['state'],
  },
  dispatchLag: {
    kind: 'histogram',
    name: 'meshgauge_dispatch_lag_seconds',
    help: 'Time between the moment a pair could start (all it needs is free) and its start. Normal is below 0.1 s.',
    unit: 's',
    labels: [],
    buckets: SECONDS_OF_A_DISPATCH,
  },
  testsActive: {
    kind: 'gauge',
    name: 'meshgauge_tests_active',
    help: 'Pairs under test at this moment. Normal is up to the width of a round.',
    unit: '{pair}',
    labels: ['test'],
  },
  eventLoopDelay: {
    kind: 'gauge',
    name: 'meshgauge_event_loop_delay_seconds',
    help: 'How late timers of the collector came over the last seconds. Normal is below 0.02 s at the 99th percentile.',
    unit: 's',
    labels: ['stat'],
  },
  buildInfo: {
    kind: 'gauge',
    name: 'meshgauge_build_info',
    help: 'Always 1; the labels say which version runs.',
    unit: '{build}',
    labels: ['version'],
  },
} as const satisfies Record<string, MetricDefinition>

/**
 * Every metric of the collector, once. Both sinks (/metrics and OTLP) are made from this: base units, counters end in
 * _total. Series grow with the number of nodes, never with the number of pairs; pair_* stay under a stated budget.
 */
export const CATALOGUE = {
  ...RUNS,
  ...NODES,
  ...PAIRS,
  ...MESH,
  ...TRAFFIC,
  ...SCHEDULES,
  ...COLLECTOR,
  ...STORE,
  ...SELF,
}

export type Catalogue = typeof CATALOGUE
export type MetricKey = keyof Catalogue
