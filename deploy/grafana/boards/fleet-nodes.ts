import { highIsGood, lowIsGood, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'

const CHECK_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'evict' }

/** The worst verdicts and pairs of the last runs. */
export const worst = [
  stateTimeline({
    title: 'Verdicts over time',
    description:
      'Each verdict with its confidence (0 to 100 %). Normally empty. `meshgauge mesh` and `meshgauge runs show latest` show the evidence.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'max by (test, kind, node, interface, direction, peer, rack) (meshgauge_verdicts)',
        legend: '{{test}} {{kind}} {{rack}} {{node}} {{interface}} {{direction}} {{peer}}',
      },
    ],
    steps: lowIsGood(0.5, 0.8),
    next: 'node',
    nodeLabel: 'node',
  }),
  table({
    title: 'Slowest pairs',
    description:
      'The ten slowest pairs of the last iperf run in bit/s; rank 1 is the slowest. Normally all are about equal. Look for a node that most of them share.',
    unit: 'bps',
    queries: [
      {
        expr: 'sort(max by (rank, source, destination, interface) (meshgauge_worst_pair_throughput_bits_per_second))',
      },
    ],
    next: 'node',
    nodeLabel: 'source',
  }),
  table({
    title: 'Pairs with most loss',
    description:
      'The ten pairs with the highest loss in the last ping run; rank 1 is the worst. Normally empty. Look for a node that most of them share.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sort_desc(max by (rank, source, destination, interface) (meshgauge_worst_pair_loss_ratio))',
      },
    ],
    steps: lowIsGood(0.001, 0.01),
    next: 'node',
    nodeLabel: 'source',
  }),
]

/** The worst nodes by each measurement. */
export const byNode = [
  timeSeries({
    title: 'Throughput of nodes: median over peers',
    description:
      "Median throughput over a node's peers in bit/s, by interface and direction; the 20 lowest. Normal is near the speed of the interface and equal for all. If one is lower, open the node.",
    unit: 'bps',
    queries: [
      {
        expr: 'bottomk(20, meshgauge_node_throughput_bits_per_second{stat="median"})',
        legend: '{{node}} {{interface}} {{direction}}',
      },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Throughput of nodes: slowest peer',
    description:
      "Lowest throughput over a node's peers in bit/s; the 20 lowest. Normal is near the median. A low minimum with a normal median is one bad peer or path.",
    unit: 'bps',
    queries: [
      {
        expr: 'bottomk(20, meshgauge_node_throughput_bits_per_second{stat="min"})',
        legend: '{{node}} {{interface}} {{direction}}',
      },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Ping loss of nodes',
    description:
      "Share of lost probes over a node's peers in the last ping run; the 20 highest. Normal is 0. If one is higher, open the node.",
    unit: 'percentunit',
    queries: [
      { expr: 'topk(20, meshgauge_node_ping_loss_ratio)', legend: '{{node}} {{interface}} {{direction}}' },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Round-trip time of nodes (p99)',
    description:
      'Round-trip time over all peers in seconds, 99th percentile; the 20 highest. Normal is below 1 ms within a rack.',
    unit: 's',
    queries: [{ expr: 'topk(20, meshgauge_node_rtt_seconds{stat="p99"})', legend: '{{node}} {{interface}}' }],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Failed pairs of nodes',
    description:
      'Pairs that were unreachable, refused or timed out; the 20 nodes with most. Normal is 0. A dead node has one per peer.',
    unit: 'short',
    queries: [
      {
        expr: 'topk(20, meshgauge_node_failed_pairs)',
        legend: '{{node}} {{interface}} {{test}}',
      },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  stateTimeline({
    title: 'Agents that answer, over time',
    description:
      'Whether the agent of each node answers. Normal is up. If silent, check the host and the log of its agent.',
    unit: 'short',
    queries: [{ expr: 'max by (node) (meshgauge_node_up)', legend: '{{node}}' }],
    steps: highIsGood(1),
    words: { 0: 'silent', 1: 'up' },
    next: 'node',
    nodeLabel: 'node',
  }),
  stateTimeline({
    title: 'Worst check of each node',
    description:
      'Highest severity of the checks of each node. Normal is pass. At fail or evict, keep jobs away: `meshgauge health` shows the findings.',
    unit: 'short',
    queries: [{ expr: 'max by (node) (meshgauge_check_severity)', legend: '{{node}}' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Nodes by state',
    description:
      'Number of nodes by state. Normally all are ready. `meshgauge nodes` shows the reason of the others.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_nodes)', legend: '{{state}}' }],
    next: 'collector',
  }),
]
