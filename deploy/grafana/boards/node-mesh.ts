import { lowIsGood, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'

const LOSS_STEPS = lowIsGood(0.001, 0.01)
const LIMIT = 'Empty above 8,192 paths of the mesh; `meshgauge mesh` has all of them.'

/** Measurements of the ping mesh for one node. */
export const meshPanels = [
  timeSeries({
    title: 'Mesh: loss in and out',
    description:
      'Share of lost probes per minute: tx are probes of this node, rx probes of its peers. A probe covers both directions. Normal is 0. At 100 % rx no peer reaches the node.',
    unit: 'percentunit',
    queries: [{ expr: 'meshgauge_mesh_loss_ratio{node="$node"}', legend: '{{interface}} {{direction}}' }],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: round-trip time',
    description: 'Round-trip time to all peers per minute in seconds. Normal is below 1 ms within a rack.',
    unit: 's',
    queries: [{ expr: 'meshgauge_mesh_rtt_seconds{node="$node"}', legend: '{{interface}} {{stat}}' }],
    next: 'mesh',
  }),
  stateTimeline({
    title: 'Mesh: bad paths over time',
    description: 'Number of paths from or to this node that are down or lossy. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'max by (state) (meshgauge_mesh_node_bad_paths{node="$node"})', legend: '{{state}}' }],
    steps: lowIsGood(1),
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: clock offset',
    description:
      'Difference between the clocks of node and collector in seconds, at the start of the agent. Normal is near 0. Otherwise check the time synchronisation (`chronyc tracking`).',
    unit: 's',
    queries: [{ expr: 'abs(meshgauge_mesh_clock_offset_seconds{node="$node"})', legend: '{{node}}' }],
    next: 'collector',
  }),
  table({
    title: 'Mesh: loss to each peer',
    description: `Share of lost probes to each peer in the last minute, worst first. Normal is 0. ${LIMIT}`,
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
    description: `Median round-trip time to each peer in the last minute in seconds, slowest first. Normal is below 1 ms within a rack. ${LIMIT}`,
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

/** Sustained traffic of one node. */
export const traffic = [
  timeSeries({
    title: 'Sustained traffic',
    description:
      'Sustained traffic that the node receives (rx) and sends (tx) in bit/s. Normally equal on all nodes of a mesh, and empty without traffic.',
    unit: 'bps',
    queries: [{ expr: 'meshgauge_node_traffic_bits_per_second{node="$node"}', legend: '{{direction}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Sustained traffic: dead flows',
    description:
      'Number of flows from and to this node that move no bytes. Normal is 0. `meshgauge traffic status` shows the reasons.',
    unit: 'short',
    queries: [{ expr: 'meshgauge_node_traffic_dead_flows{node="$node"}', legend: 'dead' }],
    next: 'collector',
  }),
]
