import { dashboard } from '../dashboard.ts'
import { highIsGood, lowIsGood, type PanelOptions, stat, stateTimeline } from '../panels.ts'
import { table } from '../tables.ts'
import { byNode, worst } from './fleet-nodes.ts'
import { OVERDUE_PAIRS, OVERDUE_SCHEDULES } from './schedules.ts'

/** Queries that count problems: 0 is healthy. The single values and the timeline use the same queries. */
const PROBLEMS = {
  silent: 'count(meshgauge_node_up == 0) or vector(0)',
  verdicts: 'count(meshgauge_verdicts) or vector(0)',
  down: 'sum(meshgauge_mesh_paths{state="down"}) or vector(0)',
  lossy: 'sum(meshgauge_mesh_paths{state="lossy"}) or vector(0)',
  interfaces: 'count(meshgauge_mesh_lossy_interface_ratio) or vector(0)',
  checks: 'count(meshgauge_check_severity >= 2) or vector(0)',
  // Each pair is counted at both its ends.
  failed: 'sum(meshgauge_node_failed_pairs) / 2 or vector(0)',
  dead: 'sum(meshgauge_traffic_flows{state="dead"}) or vector(0)',
  overdue: `count(${OVERDUE_SCHEDULES}) or vector(0)`,
  debt: `sum(${OVERDUE_PAIRS}) or vector(0)`,
} as const

type ProblemCount = Pick<PanelOptions, 'title' | 'description' | 'next'> & { expr: string; legend: string }

const problemCount = ({ expr, legend, ...given }: ProblemCount) =>
  stat({ ...given, unit: 'short', queries: [{ expr, legend }], steps: lowIsGood(1), width: 3, height: 3 })

/** Numbers of current problems. */
const summary = [
  problemCount({
    title: 'Silent nodes',
    description:
      'Number of nodes whose agent does not answer. Normal is 0. `meshgauge nodes` shows the reasons.',
    expr: PROBLEMS.silent,
    legend: 'silent',
    next: 'node',
  }),
  problemCount({
    title: 'Verdicts',
    description:
      'Number of verdicts of the ping mesh and the last runs that no later run has cleared. Normal is 0. The table below names the culprits.',
    expr: PROBLEMS.verdicts,
    legend: 'verdicts',
    next: 'node',
  }),
  problemCount({
    title: 'Mesh: paths down',
    description: 'Number of mesh paths without any reply. Normal is 0. `meshgauge mesh` shows the culprit.',
    expr: PROBLEMS.down,
    legend: 'down',
    next: 'mesh',
  }),
  problemCount({
    title: 'Mesh: paths lossy',
    description:
      'Number of mesh paths that lose some probes. Normal is 0. `meshgauge mesh` shows the culprit.',
    expr: PROBLEMS.lossy,
    legend: 'lossy',
    next: 'mesh',
  }),
  problemCount({
    title: 'Failed checks',
    description:
      'Number of checks with severity fail or evict, over all nodes. Normal is 0. `meshgauge health` shows the findings.',
    expr: PROBLEMS.checks,
    legend: 'failing',
    next: 'node',
  }),
  problemCount({
    title: 'Failed pairs',
    description:
      'Number of pairs that were unreachable, refused or timed out in the last run of each test. Normal is 0. `meshgauge runs show latest` lists them.',
    expr: PROBLEMS.failed,
    legend: 'failed',
    next: 'runs',
  }),
  problemCount({
    title: 'Dead flows',
    description:
      'Number of flows of sustained traffic that move no bytes. Normal is 0. `meshgauge traffic status` shows the reasons.',
    expr: PROBLEMS.dead,
    legend: 'dead',
    next: 'node',
  }),
  problemCount({
    title: 'Schedules overdue',
    description:
      'Number of schedules whose next start is more than 5 minutes in the past. Normal is 0. If not, look at the log of the collector.',
    expr: PROBLEMS.overdue,
    legend: 'overdue',
    next: 'runs',
  }),
]

/** How completely and recently the fleet is measured. */
const coverage = [
  stat({
    title: 'Agents that answer',
    description: 'Share of nodes whose agent answers. Normal is 100 %.',
    unit: 'percentunit',
    queries: [{ expr: 'avg(meshgauge_node_up)', legend: 'up' }],
    steps: highIsGood(0.9, 1),
    next: 'collector',
    width: 3,
    height: 3,
  }),
  stat({
    title: 'Mesh: paths up',
    description: 'Share of measured mesh paths that are up. Normal is 100 %.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sum(meshgauge_mesh_paths{state="up"}) / (sum(meshgauge_mesh_paths{state=~"up|lossy|down"}) > 0)',
        legend: 'up',
      },
    ],
    steps: highIsGood(0.99, 1),
    next: 'mesh',
    width: 3,
    height: 3,
  }),
  problemCount({
    title: 'Mesh: agents silent',
    description:
      'Number of agents that deliver no mesh measurements. Normal is 0. `meshgauge mesh` shows the reasons.',
    expr: 'sum(meshgauge_mesh_streams{state="silent"}) or vector(0)',
    legend: 'silent',
    next: 'mesh',
  }),
  stat({
    title: 'Coverage',
    description:
      'Share of pairs that were measured within the objective of their schedule. Normally it rises to 100 % in the first period and remains there.',
    unit: 'percentunit',
    queries: [
      {
        expr: '1 - sum(meshgauge_coverage_overdue_pairs) / (sum(meshgauge_coverage_pairs) > 0)',
        legend: 'covered',
      },
    ],
    next: 'runs',
    width: 3,
    height: 3,
  }),
  problemCount({
    title: 'Overdue pairs',
    description:
      'Pairs not measured within the objective of their schedule, without schedules in their first period. Normal is 0. `meshgauge coverage` lists them.',
    expr: PROBLEMS.debt,
    legend: 'pairs',
    next: 'runs',
  }),
  stat({
    title: 'Traffic received',
    description:
      'Received rate of all sustained traffic in bit/s. Normal is near the requested rate, and 0 without traffic.',
    unit: 'bps',
    queries: [{ expr: 'sum(meshgauge_traffic_received_bits_per_second)', legend: 'received' }],
    next: 'node',
    width: 3,
    height: 3,
  }),
  stat({
    title: 'Oldest measurement',
    description:
      'Time since the last measurement by a run, of the node for which it is longest. Normal is at most the interval of your runs.',
    unit: 's',
    queries: [
      {
        expr: 'max(time() - max by (node) (meshgauge_node_measured_timestamp_seconds))',
        legend: 'age',
      },
    ],
    next: 'runs',
    width: 3,
    height: 3,
  }),
  stat({
    title: 'Collector delay',
    description:
      'Delay of timers of the collector, 99th percentile. Normal is below 20 ms. If higher, look at the CPU of its host.',
    unit: 's',
    queries: [{ expr: 'max(meshgauge_event_loop_delay_seconds{stat="p99"})', legend: 'p99' }],
    steps: lowIsGood(0.02, 0.1),
    next: 'collector',
    width: 3,
    height: 3,
  }),
]

const LEGENDS: Readonly<Record<keyof typeof PROBLEMS, string>> = {
  silent: 'silent nodes',
  verdicts: 'verdicts',
  down: 'paths down',
  lossy: 'paths lossy',
  interfaces: 'interfaces lossy',
  checks: 'failed checks',
  failed: 'failed pairs',
  dead: 'dead flows',
  overdue: 'schedules overdue',
  debt: 'overdue pairs',
}

/** When problems began, and the culprits. */
const details = [
  stateTimeline({
    title: 'Problems over time',
    description: 'Number of problems of each kind over time; green is 0. Normally all are green.',
    unit: 'short',
    queries: (Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[]).map((key) => ({
      expr: PROBLEMS[key],
      legend: LEGENDS[key],
    })),
    steps: lowIsGood(1),
    next: 'mesh',
    height: 9,
  }),
  table({
    title: 'Current verdicts',
    description:
      'The culprit of each verdict with its confidence (0 to 100 %). An empty label means that the verdict covers all values of it. Normally empty. Keep jobs away from the culprit and check its cable, port and host.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sort_desc(max by (test, kind, node, interface, direction, peer, rack) (meshgauge_verdicts))',
      },
    ],
    steps: lowIsGood(0.5, 0.8),
    next: 'node',
    nodeLabel: 'node',
    height: 9,
  }),
  table({
    title: 'Worst mesh paths',
    description:
      'The ten paths with the highest loss in the last minute; rank 1 is the worst. Normally empty. A click opens the path.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sort_desc(max by (rank, source, destination, interface) (meshgauge_mesh_worst_path_loss_ratio))',
      },
    ],
    steps: lowIsGood(0.001, 0.01),
    next: 'mesh',
    pick: { node: ['source', 'destination'], interface: ['interface'] },
    height: 7,
  }),
  table({
    title: 'Nodes with most bad mesh paths',
    description:
      'Number of paths from or to a node that are down or lossy; the ten worst nodes. Normally empty. The node with most is the likely culprit.',
    unit: 'short',
    queries: [{ expr: 'sort_desc(topk(10, sum by (node) (meshgauge_mesh_node_bad_paths) > 0))' }],
    steps: lowIsGood(1),
    next: 'node',
    nodeLabel: 'node',
    height: 7,
  }),
]

export const fleet = dashboard({
  board: 'fleet',
  title: 'Fleet',
  description: 'Current problems of the fleet, when they began, and their culprits.',
  panels: [...summary, ...coverage, ...details, ...worst, ...byNode],
})
