import { highIsGood, lowIsGood, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'

const CHECK_WORDS = { 0: 'pass', 1: 'warn', 2: 'fail', 3: 'evict' }

/** What the last runs found worst. */
export const worst = [
  stateTimeline({
    title: 'Verdicts: since when',
    description: 'The confidence of each verdict over time. Normally empty.',
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
      'The ten slowest measured pairs of the last iperf run, rank 1 the slowest. Normally all ranks are about equal.',
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
    title: 'Pairs that lose most',
    description: 'The ten pairs of the last ping run that lost most, rank 1 the worst. Normally empty.',
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

/** What each node does, the worst of them. */
export const byNode = [
  timeSeries({
    title: 'Throughput of nodes: median over peers',
    description:
      "The 20 lowest medians of what was received over a node's peers, by interface and direction. Normal is near the interface's speed, and one height for all.",
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
      "The 20 lowest minima over a node's peers. Normal is near the median; a low minimum beside a good median is one bad peer or path.",
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
    description: "Probes lost over probes sent, over a node's peers: the 20 highest. Normal is 0.",
    unit: 'percentunit',
    queries: [
      { expr: 'topk(20, meshgauge_node_ping_loss_ratio)', legend: '{{node}} {{interface}} {{direction}}' },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Round-trip time of nodes (p99)',
    description: 'The 20 highest 99th percentiles over peers. Normal is below 1 ms in a rack.',
    unit: 's',
    queries: [{ expr: 'topk(20, meshgauge_node_rtt_seconds{stat="p99"})', legend: '{{node}} {{interface}}' }],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Failed pairs of nodes',
    description:
      'Pairs that were unreachable, refused or timed out, the 20 nodes with most. Normal is 0; a dead node has as many as it has peers.',
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
    title: 'Nodes that answer: since when',
    description: 'Whether the agent of each node answers. Normal is yes.',
    unit: 'short',
    queries: [{ expr: 'max by (node) (meshgauge_node_up)', legend: '{{node}}' }],
    steps: highIsGood(1),
    words: { 0: 'silent', 1: 'up' },
    next: 'node',
    nodeLabel: 'node',
  }),
  stateTimeline({
    title: 'Checks: worst of each node',
    description: 'What stands of the worst check of each node. Normal is pass.',
    unit: 'short',
    queries: [{ expr: 'max by (node) (meshgauge_check_severity)', legend: '{{node}}' }],
    steps: lowIsGood(1, 2),
    words: CHECK_WORDS,
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Nodes by state',
    description: 'Nodes of the inventory. Normally all are ready.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_nodes)', legend: '{{state}}' }],
    next: 'collector',
  }),
]
