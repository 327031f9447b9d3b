import { dashboard, labelVariable } from '../dashboard.ts'
import { highIsGood, lowIsGood, type PanelOptions, stat, stateTimeline, timeSeries } from '../panels.ts'
import type { Panel } from '../schema.ts'
import { table } from '../tables.ts'
import { meshPanels, traffic } from './node-mesh.ts'

const CHECK_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'evict' }
const RESULT_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'error' }

/** Creates a panel that links to the dashboard of runs by default. */
const runsNext = (make: (options: PanelOptions) => Panel, options: PanelOptions): Panel =>
  make({ next: 'runs', ...options })

const throughput = (direction: 'tx' | 'rx', title: string): Panel =>
  runsNext(timeSeries, {
    title,
    description:
      "Minimum and median throughput over the node's peers in the last iperf run, in bit/s. Normally both are near the speed of the interface, and sent equals received. If only the minimum is low, look at the table of peers.",
    unit: 'bps',
    queries: [
      {
        expr: `meshgauge_node_throughput_bits_per_second{node="$node",direction="${direction}"}`,
        legend: '{{interface}} {{stat}}',
      },
    ],
  })

const now = [
  runsNext(stat, {
    title: 'Agent',
    description:
      'Whether the agent answers. Normal is up. If silent, check the host and the log of the agent.',
    unit: 'short',
    queries: [{ expr: 'max(meshgauge_node_up{node="$node"})', legend: 'agent' }],
    steps: highIsGood(1),
    words: { 0: 'silent', 1: 'up' },
    next: 'collector',
  }),
  runsNext(stat, {
    title: 'Verdicts',
    description: 'Number of verdicts with this node as culprit or peer. Normal is 0.',
    unit: 'short',
    queries: [
      {
        expr: 'count(meshgauge_verdicts{node="$node"} or meshgauge_verdicts{peer="$node"}) or vector(0)',
        legend: 'verdicts',
      },
    ],
    steps: lowIsGood(1),
  }),
  runsNext(stat, {
    title: 'Worst check',
    description:
      'Highest severity of the checks. Normal is pass. At fail or evict, keep jobs away from the node.',
    unit: 'short',
    queries: [{ expr: 'max(meshgauge_check_severity{node="$node"})', legend: 'checks' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
  }),
  runsNext(stat, {
    title: 'Last measured',
    description: 'Time of the last measurement by each test. Normal is within the interval of your runs.',
    unit: 'dateTimeFromNow',
    queries: [
      {
        expr: 'max by (test) (meshgauge_node_measured_timestamp_seconds{node="$node"}) * 1000',
        legend: '{{test}}',
      },
    ],
    width: 6,
  }),
  runsNext(stat, {
    title: 'Mesh: bad paths',
    description: 'Number of mesh paths from or to this node that are down or lossy. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_node_bad_paths{node="$node"})', legend: '{{state}}' }],
    steps: lowIsGood(1),
    width: 6,
    next: 'mesh',
  }),
]

const network = [
  throughput('tx', 'Throughput sent'),
  throughput('rx', 'Throughput received'),
  runsNext(timeSeries, {
    title: 'Ping loss',
    description:
      'Share of lost probes in the last ping run: tx are probes of this node, rx probes of its peers. A probe covers both directions. Normal is 0.',
    unit: 'percentunit',
    queries: [
      { expr: 'meshgauge_node_ping_loss_ratio{node="$node"}', legend: '{{interface}} {{direction}}' },
    ],
  }),
  runsNext(timeSeries, {
    title: 'Round-trip time',
    description:
      'Round-trip time to all peers in the last ping run in seconds. Normal is below 1 ms within a rack.',
    unit: 's',
    queries: [{ expr: 'meshgauge_node_rtt_seconds{node="$node"}', legend: '{{interface}} {{stat}}' }],
  }),
  runsNext(timeSeries, {
    title: 'Failed pairs',
    description: 'Number of pairs that were unreachable, refused or timed out in the last run. Normal is 0.',
    unit: 'short',
    queries: [
      {
        expr: 'meshgauge_node_failed_pairs{node="$node"}',
        legend: '{{test}} {{interface}}',
      },
    ],
  }),
  runsNext(table, {
    title: 'Throughput to each peer',
    description:
      'Throughput to each peer in the last iperf run in bit/s, slowest first. Normally all are about equal. Empty for runs of more than 2,000 pairs.',
    unit: 'bps',
    queries: [
      {
        expr: 'sort(max by (destination, interface) (meshgauge_pair_throughput_bits_per_second{source="$node"}))',
      },
    ],
  }),
  runsNext(table, {
    title: 'Loss to each peer',
    description:
      'Share of lost probes to each peer in the last ping run, worst first. Normal is 0. Empty for runs of more than 2,000 pairs.',
    unit: 'percentunit',
    queries: [
      { expr: 'sort_desc(max by (destination, interface) (meshgauge_pair_loss_ratio{source="$node"}))' },
    ],
    steps: lowIsGood(0.001, 0.01),
  }),
  runsNext(table, {
    title: 'Median round-trip time to each peer',
    description:
      'Median round-trip time to each peer in the last ping run in seconds, slowest first. Normal is below 1 ms within a rack. Empty for runs of more than 2,000 pairs.',
    unit: 's',
    queries: [
      { expr: 'sort_desc(max by (destination, interface) (meshgauge_pair_rtt_p50_seconds{source="$node"}))' },
    ],
  }),
]

const checks = [
  runsNext(stateTimeline, {
    title: 'Checks: severity',
    description:
      'Severity of each check. A finding remains until the check passes at the same level or higher. Normal is pass. `meshgauge health` shows the findings.',
    unit: 'short',
    queries: [{ expr: 'max by (check) (meshgauge_check_severity{node="$node"})', legend: '{{check}}' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
  }),
  runsNext(stateTimeline, {
    title: 'Checks: last result',
    description: 'Last result of each check. Normal is pass. An error means that the check could not run.',
    unit: 'short',
    queries: [{ expr: 'max by (check) (meshgauge_check_status{node="$node"})', legend: '{{check}}' }],
    steps: lowIsGood(1, 2),
    words: RESULT_WORDS,
  }),
  runsNext(table, {
    title: 'Checks: age of the last result',
    description: 'Time since the last result of each check, in seconds. Normal is below its interval.',
    unit: 's',
    queries: [
      {
        expr: 'sort_desc(time() - max by (check) (meshgauge_check_timestamp_seconds{node="$node"}))',
      },
    ],
  }),
  runsNext(timeSeries, {
    title: 'Checks: starts skipped',
    description:
      'Starts per hour that were skipped because the check was still running. Normal is 0. Otherwise use a longer interval.',
    unit: 'short',
    queries: [
      {
        expr: 'sum by (check) (increase(meshgauge_check_overlaps_total{node="$node"}[1h]))',
        legend: '{{check}}',
      },
    ],
  }),
]

export const node = dashboard({
  board: 'node',
  title: 'Node',
  description: 'One node: its interfaces in both directions, its peers, its traffic and its checks.',
  variables: [labelVariable('node', 'meshgauge_node_up')],
  panels: [...now, ...meshPanels, ...network, ...traffic, ...checks],
})
