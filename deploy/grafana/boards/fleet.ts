import { dashboard } from '../dashboard.ts'
import { highIsGood, lowIsGood, type PanelOptions, stat, stateTimeline } from '../panels.ts'
import { table } from '../tables.ts'
import { byNode, worst } from './fleet-nodes.ts'
import { DEBT, OVERDUE } from './schedules.ts'

/** Each of these is a number of what is wrong: 0 when all is well. Stats and the timeline show the same ones. */
const WRONG = {
  silent: 'count(meshgauge_node_up == 0) or vector(0)',
  verdicts: 'count(meshgauge_verdicts) or vector(0)',
  down: 'sum(meshgauge_mesh_paths{state="down"}) or vector(0)',
  lossy: 'sum(meshgauge_mesh_paths{state="lossy"}) or vector(0)',
  interfaces: 'count(meshgauge_mesh_lossy_interface_ratio) or vector(0)',
  checks: 'count(meshgauge_check_severity >= 2) or vector(0)',
  // Each pair is counted at both its ends.
  failed: 'sum(meshgauge_node_failed_pairs) / 2 or vector(0)',
  dead: 'sum(meshgauge_traffic_flows{state="dead"}) or vector(0)',
  overdue: `count(${OVERDUE}) or vector(0)`,
  debt: `sum(${DEBT}) or vector(0)`,
} as const

type Wrong = Pick<PanelOptions, 'title' | 'description' | 'next'> & { expr: string; legend: string }

const wrong = ({ expr, legend, ...given }: Wrong) =>
  stat({ ...given, unit: 'short', queries: [{ expr, legend }], steps: lowIsGood(1), width: 3, height: 3 })

/** Is anything wrong. */
const summary = [
  wrong({
    title: 'Silent nodes',
    description: 'Nodes whose agent does not answer. Normal is 0.',
    expr: WRONG.silent,
    legend: 'silent',
    next: 'node',
  }),
  wrong({
    title: 'Verdicts',
    description: 'Culprits named by the mesh or the last runs and not acquitted since. Normal is 0.',
    expr: WRONG.verdicts,
    legend: 'verdicts',
    next: 'node',
  }),
  wrong({
    title: 'Mesh: paths down',
    description: 'Paths of the ping mesh on which nothing comes back. Normal is 0.',
    expr: WRONG.down,
    legend: 'down',
    next: 'mesh',
  }),
  wrong({
    title: 'Mesh: paths lossy',
    description: 'Paths of the ping mesh that lose probes, but not all. Normal is 0.',
    expr: WRONG.lossy,
    legend: 'lossy',
    next: 'mesh',
  }),
  wrong({
    title: 'Checks not passed',
    description: 'Checks on any node that stand at fail or evict. Normal is 0.',
    expr: WRONG.checks,
    legend: 'failing',
    next: 'node',
  }),
  wrong({
    title: 'Failed pairs',
    description:
      'Pairs that were unreachable, refused or timed out in the last run of each test. Normal is 0.',
    expr: WRONG.failed,
    legend: 'failed',
    next: 'runs',
  }),
  wrong({
    title: 'Dead flows',
    description: 'Flows of sustained traffic that do not move. Normal is 0.',
    expr: WRONG.dead,
    legend: 'dead',
    next: 'node',
  }),
  wrong({
    title: 'Schedules overdue',
    description: 'Schedules whose next start passed more than 5 minutes ago. Normal is 0.',
    expr: WRONG.overdue,
    legend: 'overdue',
    next: 'runs',
  }),
]

/** How well it is looked at. */
const standing = [
  stat({
    title: 'Nodes that answer',
    description: 'Nodes whose agent answers. Normal is all nodes of the inventory.',
    unit: 'percentunit',
    queries: [{ expr: 'avg(meshgauge_node_up)', legend: 'up' }],
    steps: highIsGood(0.9, 1),
    next: 'collector',
    width: 3,
    height: 3,
  }),
  stat({
    title: 'Mesh: paths up',
    description: 'Share of the measured paths that are well. Normal is 100 %.',
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
  wrong({
    title: 'Mesh: agents silent',
    description: 'Agents whose measurements do not come. Normal is 0.',
    expr: 'sum(meshgauge_mesh_streams{state="silent"}) or vector(0)',
    legend: 'silent',
    next: 'mesh',
  }),
  stat({
    title: 'Coverage',
    description:
      'Share of the pairs that were measured within the objective of their schedule. Normally it rises to 100 % in the first period and stays there.',
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
  wrong({
    title: 'Coverage debt',
    description: 'Overdue pairs of schedules that had the time to measure them. Normal is 0.',
    expr: WRONG.debt,
    legend: 'pairs',
    next: 'runs',
  }),
  stat({
    title: 'Traffic received',
    description:
      'What sustained traffic moves now. Normal is near what was asked, and 0 while none was asked for.',
    unit: 'bps',
    queries: [{ expr: 'sum(meshgauge_traffic_received_bits_per_second)', legend: 'received' }],
    next: 'node',
    width: 3,
    height: 3,
  }),
  stat({
    title: 'Oldest measurement',
    description:
      'How long ago a run last measured the node for which that is longest. Normal is no longer than the pause between your runs.',
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
    title: 'Collector late by',
    description: 'How late its timers come, 99th percentile. Normal is below 20 ms.',
    unit: 's',
    queries: [{ expr: 'max(meshgauge_event_loop_delay_seconds{stat="p99"})', legend: 'p99' }],
    steps: lowIsGood(0.02, 0.1),
    next: 'collector',
    width: 3,
    height: 3,
  }),
]

const LEGENDS: Readonly<Record<keyof typeof WRONG, string>> = {
  silent: 'silent nodes',
  verdicts: 'verdicts',
  down: 'paths down',
  lossy: 'paths lossy',
  interfaces: 'interfaces lossy',
  checks: 'checks not passed',
  failed: 'failed pairs',
  dead: 'dead flows',
  overdue: 'schedules overdue',
  debt: 'coverage debt',
}

/** Since when, and where. */
const where = [
  stateTimeline({
    title: 'What is wrong: since when',
    description: 'How many of each; green is none. Normally all is green.',
    unit: 'short',
    queries: (Object.keys(WRONG) as (keyof typeof WRONG)[]).map((key) => ({
      expr: WRONG[key],
      legend: LEGENDS[key],
    })),
    steps: lowIsGood(1),
    next: 'mesh',
    height: 9,
  }),
  table({
    title: 'Verdicts of now',
    description:
      'Who is to blame, each with its confidence from 0 to 1; an empty label says that the verdict is wider. Normally empty.',
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
    title: 'Worst paths of the mesh',
    description: 'The ten paths that lost most in the last minute, rank 1 the worst. Normally empty.',
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
    title: 'Nodes with most bad paths of the mesh',
    description: 'Paths from or to a node that are down or lossy; the ten worst nodes. Normally empty.',
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
  description: 'Is anything wrong, since when, and where: all of that without scrolling.',
  panels: [...summary, ...standing, ...where, ...worst, ...byNode],
})
