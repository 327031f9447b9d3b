import { dashboard, severalVariable } from '../dashboard.ts'
import { highIsGood, lowIsGood, stat, stateTimeline, timeSeries } from '../panels.ts'
import { table } from '../tables.ts'
import { itself } from './mesh-itself.ts'
import { LOSS_STEPS, nodes, pairs, racks } from './mesh-matrices.ts'

const OF_NODES = 'node=~"$node"'
const OF_ENDS = `${OF_NODES},interface=~"$interface"`

const STATE_WORDS = { 0: 'well', 1: 'lossy', 2: 'down' }

const now = [
  stat({
    title: 'Paths down',
    description: 'Paths on which nothing comes back. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_paths{state="down"}) or vector(0)', legend: 'down' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Paths lossy',
    description: 'Paths that lose probes, but not all. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_paths{state="lossy"}) or vector(0)', legend: 'lossy' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Paths up',
    description: 'Share of the measured paths that are well. Normal is 100 %.',
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
      'Interfaces that lose probes by all their paths together, beyond what chance would make. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'count(meshgauge_mesh_lossy_interface_ratio) or vector(0)', legend: 'lossy' }],
    steps: lowIsGood(1),
    next: 'node',
  }),
  stat({
    title: 'Verdicts of the mesh',
    description: 'Who the mesh blames now. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'count(meshgauge_verdicts{test="mesh"}) or vector(0)', legend: 'verdicts' }],
    steps: lowIsGood(1),
    next: 'fleet',
  }),
  stat({
    title: 'Agents silent',
    description: 'Agents that do not deliver: what they measure now is not seen here. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_streams{state="silent"}) or vector(0)', legend: 'silent' }],
    steps: lowIsGood(1),
    next: 'collector',
  }),
]

const bad = (state: string) => `clamp_max(meshgauge_mesh_node_bad_paths{${OF_NODES},state="${state}"}, 1)`

const history = [
  stateTimeline({
    title: 'Nodes: worst path, since when',
    description:
      'Of each node the worst state of a path from or to it; the 40 worst nodes. Normal is well. A dead node makes every peer red: the one that began first and has most bad paths is it.',
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
    title: 'Interfaces: loss, since when',
    description:
      'Probes lost in a minute, from or to the interface, whichever is more; the 40 worst. Normal is 0. An interface that nobody reaches is at 100 %.',
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
    description: 'The ten paths that lost most in the last minute, rank 1 the worst. Normally empty.',
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
      'Those that lose probes beyond chance, with what they lost when it was seen. Normally empty.',
    unit: 'percentunit',
    queries: [{ expr: 'sort_desc(max by (node, interface) (meshgauge_mesh_lossy_interface_ratio))' }],
    steps: LOSS_STEPS,
    next: 'node',
    nodeLabel: 'node',
    width: 8,
  }),
  table({
    title: 'Nodes with most bad paths',
    description: 'Paths from or to a node that are down or lossy; the 20 worst nodes. Normally empty.',
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
      'From (tx) or to (rx) an interface in the last minute, the 20 highest. Normal is 0; probes go there and back, so that both ends of a bad path show it.',
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
    description: 'To all peers in the last minute, the 20 highest. Normal is below 1 ms in a rack.',
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
    'The ping mesh that never stops: which rack, node, interface or pair is bad, and since when. Choose a rack, then two nodes.',
  variables: [
    severalVariable('rack', 'meshgauge_node_info', '.*'),
    severalVariable('node', 'meshgauge_node_info{rack=~"$rack"}'),
    severalVariable('interface', 'meshgauge_mesh_loss_ratio', '.*'),
  ],
  panels: [...now, ...racks, ...nodes, ...history, ...worst, ...pairs, ...itself],
})
