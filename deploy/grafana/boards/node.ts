import { dashboard, labelVariable } from '../dashboard.ts'
import { highIsGood, lowIsGood, type PanelOptions, stat, stateTimeline, timeSeries } from '../panels.ts'
import type { Panel } from '../schema.ts'
import { table } from '../tables.ts'
import { meshPanels, traffic } from './node-mesh.ts'

const CHECK_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'evict' }
const RESULT_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'not carried out' }

/** There is nothing finer than a node; what explains its numbers are the runs they come from. */
const runsNext = (make: (options: PanelOptions) => Panel, options: PanelOptions): Panel =>
  make({ next: 'runs', ...options })

const throughput = (direction: 'tx' | 'rx', title: string): Panel =>
  runsNext(timeSeries, {
    title,
    description:
      "Least and median over the node's peers in its last iperf run. Normal is two lines close together, near the interface's speed; compare sent with received.",
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
    description: 'Whether the agent answers. Normal is up.',
    unit: 'short',
    queries: [{ expr: 'max(meshgauge_node_up{node="$node"})', legend: 'agent' }],
    steps: highIsGood(1),
    words: { 0: 'silent', 1: 'up' },
    next: 'collector',
  }),
  runsNext(stat, {
    title: 'Verdicts on it',
    description: 'Verdicts that name this node or have it as the peer. Normal is 0.',
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
    description: 'What stands of the worst check. Normal is pass.',
    unit: 'short',
    queries: [{ expr: 'max(meshgauge_check_severity{node="$node"})', legend: 'checks' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
  }),
  runsNext(stat, {
    title: 'Measured',
    description: 'When each test last measured it. Normal is within the pause between your runs.',
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
    description: 'Paths of the ping mesh from or to it that are down or lossy. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_node_bad_paths{node="$node"})', legend: '{{state}}' }],
    steps: lowIsGood(1),
    width: 6,
    next: 'mesh',
  }),
]

const network = [
  throughput('tx', 'Throughput it sent'),
  throughput('rx', 'Throughput it received'),
  runsNext(timeSeries, {
    title: 'Ping loss',
    description:
      'Probes lost over probes sent: tx are its own probes, rx those of its peers. Both count the way there and back. Normal is 0.',
    unit: 'percentunit',
    queries: [
      { expr: 'meshgauge_node_ping_loss_ratio{node="$node"}', legend: '{{interface}} {{direction}}' },
    ],
  }),
  runsNext(timeSeries, {
    title: 'Round-trip time',
    description: 'From this node to all its peers, from merged histograms. Normal is below 1 ms in a rack.',
    unit: 's',
    queries: [{ expr: 'meshgauge_node_rtt_seconds{node="$node"}', legend: '{{interface}} {{stat}}' }],
  }),
  runsNext(timeSeries, {
    title: 'Failed pairs',
    description: 'Pairs that were unreachable, refused or timed out in the last run. Normal is 0.',
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
      'Last measured, slowest first. Normally all are about equal. Empty when the run had more pairs than the budget of series.',
    unit: 'bps',
    queries: [
      {
        expr: 'sort(max by (destination, interface) (meshgauge_pair_throughput_bits_per_second{source="$node"}))',
      },
    ],
  }),
  runsNext(table, {
    title: 'Loss to each peer',
    description: 'Of the last ping run, worst first. Normal is 0. Empty above the budget of series.',
    unit: 'percentunit',
    queries: [
      { expr: 'sort_desc(max by (destination, interface) (meshgauge_pair_loss_ratio{source="$node"}))' },
    ],
    steps: lowIsGood(0.001, 0.01),
  }),
  runsNext(table, {
    title: 'Median round-trip time to each peer',
    description:
      'Of the last ping run, slowest first. Normal is below 1 ms in a rack. Empty above the budget of series.',
    unit: 's',
    queries: [
      { expr: 'sort_desc(max by (destination, interface) (meshgauge_pair_rtt_p50_seconds{source="$node"}))' },
    ],
  }),
]

const checks = [
  runsNext(stateTimeline, {
    title: 'Checks: what stands',
    description: 'Severity of each check, also when its last result was a lighter pass. Normal is pass.',
    unit: 'short',
    queries: [{ expr: 'max by (check) (meshgauge_check_severity{node="$node"})', legend: '{{check}}' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
  }),
  runsNext(stateTimeline, {
    title: 'Checks: last result',
    description: 'What each check last said. Normal is pass.',
    unit: 'short',
    queries: [{ expr: 'max by (check) (meshgauge_check_status{node="$node"})', legend: '{{check}}' }],
    steps: lowIsGood(1, 2),
    words: RESULT_WORDS,
  }),
  runsNext(table, {
    title: 'Checks: age of the last result',
    description: 'Time since each check last had a result. Normal is below its interval.',
    unit: 's',
    queries: [
      {
        expr: 'sort_desc(time() - max by (check) (meshgauge_check_timestamp_seconds{node="$node"}))',
      },
    ],
  }),
  runsNext(timeSeries, {
    title: 'Checks: starts dropped',
    description: 'Starts that were dropped because the check still ran, per hour. Normal is 0.',
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
  description: 'One node: its interfaces in both directions, its peers, its checks.',
  variables: [labelVariable('node', 'meshgauge_node_up')],
  panels: [...now, ...meshPanels, ...network, ...traffic, ...checks],
})
