import { dashboard, multiVariable } from '../dashboard.ts'
import { highIsGood, lowIsGood, stat, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'
import { meshHealth } from './mesh-itself.ts'
import { LOSS_STEPS, nodes, pairs, racks } from './mesh-matrices.ts'

const OF_NODES = 'node=~"$node"'
const OF_ENDS = `${OF_NODES},interface=~"$interface"`

const STATE_WORDS = { 0: 'up', 1: 'lossy', 2: 'down' }

const now = [
  stat({
    title: 'Paths down',
    description: 'Number of paths without any reply. Normal is 0. `meshgauge mesh` shows the culprit.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_paths{state="down"}) or vector(0)', legend: 'down' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Paths lossy',
    description: 'Number of paths that lose some probes. Normal is 0. `meshgauge mesh` shows the culprit.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_paths{state="lossy"}) or vector(0)', legend: 'lossy' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Paths up',
    description: 'Share of measured paths that are up. Normal is 100 %.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sum(meshgauge_mesh_paths{state="up"}) / (sum(meshgauge_mesh_paths{state=~"up|lossy|down"}) > 0)',
        legend: 'up',
      },
    ],
    steps: highIsGood(0.99, 1),
    next: 'node',
  }),
  stat({
    title: 'Interfaces lossy',
    description:
      'Number of interfaces with significant loss over all their paths together. Normal is 0. Check cable, transceiver and port of each.',
    unit: 'short',
    queries: [{ expr: 'count(meshgauge_mesh_lossy_interface_ratio) or vector(0)', legend: 'lossy' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Verdicts of the mesh',
    description:
      'Number of current verdicts of the mesh. Normal is 0. `meshgauge mesh` shows them with their evidence.',
    unit: 'short',
    queries: [{ expr: 'count(meshgauge_verdicts{test="mesh"}) or vector(0)', legend: 'verdicts' }],
    steps: lowIsGood(1),
    next: 'fleet',
  }),
  stat({
    title: 'Agents silent',
    description:
      'Number of agents that deliver no measurements; their current paths are unknown. Normal is 0. `meshgauge mesh` shows the reasons.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_streams{state="silent"}) or vector(0)', legend: 'silent' }],
    steps: lowIsGood(1),
    next: 'collector',
  }),
]

const bad = (state: string) => `clamp_max(meshgauge_mesh_node_bad_paths{${OF_NODES},state="${state}"}, 1)`

const history = [
  stateTimeline({
    title: 'Nodes: worst path over time',
    description:
      'Worst state of the paths from or to each node; the 40 worst nodes. Normal is up. A dead node makes all its peers red: look for the node that became bad first and has most bad paths.',
    unit: 'short',
    queries: [
      { expr: `topk(40, max by (node) (2 * ${bad('down')} or ${bad('lossy')}))`, legend: '{{node}}' },
    ],
    steps: lowIsGood(1, 2),
    words: STATE_WORDS,
    next: 'node',
    nodeLabel: 'node',
    height: 10,
  }),
  stateTimeline({
    title: 'Interfaces: loss over time',
    description:
      'Share of lost probes per minute, from or to the interface (the higher value); the 40 worst. Normal is 0. An unreachable interface is at 100 %.',
    unit: 'percentunit',
    queries: [
      {
        expr: `topk(40, max by (node, interface) (meshgauge_mesh_loss_ratio{${OF_ENDS}}))`,
        legend: '{{node}} {{interface}}',
      },
    ],
    steps: LOSS_STEPS,
    next: 'node',
    nodeLabel: 'node',
    height: 10,
  }),
]

const worst = [
  table({
    title: 'Worst paths',
    description:
      'The ten paths with the highest loss in the last minute; rank 1 is the worst. Normally empty. A click selects the path.',
    unit: 'percentunit',
    queries: [
      {
        expr: 'sort_desc(max by (rank, source, destination, interface) (meshgauge_mesh_worst_path_loss_ratio))',
      },
    ],
    steps: LOSS_STEPS,
    next: 'mesh',
    pick: { node: ['source', 'destination'], interface: ['interface'] },
    width: 8,
  }),
  table({
    title: 'Lossy interfaces',
    description:
      'Interfaces with significant loss, with the loss at detection. Normally empty. Check cable, transceiver and port.',
    unit: 'percentunit',
    queries: [{ expr: 'sort_desc(max by (node, interface) (meshgauge_mesh_lossy_interface_ratio))' }],
    steps: LOSS_STEPS,
    next: 'node',
    nodeLabel: 'node',
    width: 8,
  }),
  table({
    title: 'Nodes with most bad paths',
    description:
      'Number of paths from or to a node that are down or lossy; the 20 worst nodes. Normally empty. The node with most is the likely culprit.',
    unit: 'short',
    queries: [
      {
        expr: `sort_desc(topk(20, sum by (node) (meshgauge_mesh_node_bad_paths{${OF_NODES}}) > 0))`,
      },
    ],
    steps: lowIsGood(1),
    next: 'node',
    nodeLabel: 'node',
    width: 8,
  }),
  timeSeries({
    title: 'Loss of interfaces',
    description:
      'Share of lost probes from (tx) or to (rx) an interface in the last minute; the 20 highest. Normal is 0. A probe covers both directions, so both ends of a bad path show loss.',
    unit: 'percentunit',
    queries: [
      {
        expr: `topk(20, max by (node, interface, direction) (meshgauge_mesh_loss_ratio{${OF_ENDS}}))`,
        legend: '{{node}} {{interface}} {{direction}}',
      },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Round-trip time of interfaces (p99)',
    description:
      'Round-trip time to all peers in the last minute in seconds, 99th percentile; the 20 highest. Normal is below 1 ms within a rack.',
    unit: 's',
    queries: [
      {
        expr: `topk(20, max by (node, interface) (meshgauge_mesh_rtt_seconds{${OF_ENDS},stat="p99"}))`,
        legend: '{{node}} {{interface}}',
      },
    ],
    next: 'node',
    nodeLabel: 'node',
  }),
]

export const mesh = dashboard({
  board: 'mesh',
  title: 'Mesh',
  description:
    'The always-on ping mesh: bad racks, nodes, interfaces and pairs over time. Select a rack, then two nodes.',
  variables: [
    multiVariable('rack', 'meshgauge_node_info', '.*'),
    multiVariable('node', 'meshgauge_node_info{rack=~"$rack"}'),
    multiVariable('interface', 'meshgauge_mesh_loss_ratio', '.*'),
  ],
  panels: [...now, ...racks, ...nodes, ...history, ...worst, ...pairs, ...meshHealth],
})
