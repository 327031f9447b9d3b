import { lowIsGood, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'

const LOSS_STEPS = lowIsGood(0.001, 0.01)
const BUDGET = 'Empty above 8,192 paths of the mesh; `meshgauge mesh` has them.'

/** What the ping mesh says of the node. */
export const meshPanels = [
  timeSeries({
    title: 'Mesh: loss in and out',
    description:
      'Probes lost in a minute: tx are its own probes, rx those of its peers. Both count the way there and back. Normal is 0; at 100 % of rx nobody reaches it.',
    unit: 'percentunit',
    queries: [{ expr: 'meshgauge_mesh_loss_ratio{node="$node"}', legend: '{{interface}} {{direction}}' }],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: round-trip time',
    description:
      'From this node to all its peers in a minute, from merged histograms. Normal is below 1 ms in a rack.',
    unit: 's',
    queries: [{ expr: 'meshgauge_mesh_rtt_seconds{node="$node"}', legend: '{{interface}} {{stat}}' }],
    next: 'mesh',
  }),
  stateTimeline({
    title: 'Mesh: bad paths, since when',
    description: 'Paths from or to it that are down or lossy. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'max by (state) (meshgauge_mesh_node_bad_paths{node="$node"})', legend: '{{state}}' }],
    steps: lowIsGood(1),
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: clock offset',
    description:
      "By how much the collector's clock is ahead of the node's when its agent started. Normal is near 0.",
    unit: 's',
    queries: [{ expr: 'abs(meshgauge_mesh_clock_offset_seconds{node="$node"})', legend: '{{node}}' }],
    next: 'collector',
  }),
  table({
    title: 'Mesh: loss to each peer',
    description: `In the last minute, worst first. Normal is 0. ${BUDGET}`,
    unit: 'percentunit',
    queries: [
      {
        expr: 'sort_desc(max by (source, destination, interface) (meshgauge_mesh_pair_loss_ratio{source="$node"}))',
      },
    ],
    steps: LOSS_STEPS,
    next: 'mesh',
    pick: { node: ['source', 'destination'], interface: ['interface'] },
  }),
  table({
    title: 'Mesh: median round-trip time to each peer',
    description: `In the last minute, slowest first. Normal is below 1 ms in a rack. ${BUDGET}`,
    unit: 's',
    queries: [
      {
        expr: 'sort_desc(max by (source, destination, interface) (meshgauge_mesh_pair_rtt_p50_seconds{source="$node"}))',
      },
    ],
    next: 'mesh',
    pick: { node: ['source', 'destination'], interface: ['interface'] },
  }),
]

/** What sustained traffic the node carries. */
export const traffic = [
  timeSeries({
    title: 'Sustained traffic',
    description:
      'What it receives (rx) and sends (tx). Normal is alike on all nodes of a mesh; nothing while there is no traffic.',
    unit: 'bps',
    queries: [{ expr: 'meshgauge_node_traffic_bits_per_second{node="$node"}', legend: '{{direction}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Sustained traffic: dead flows',
    description: 'Flows from and to it that do not move. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'meshgauge_node_traffic_dead_flows{node="$node"}', legend: 'dead' }],
    next: 'collector',
  }),
]
