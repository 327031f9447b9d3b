import { lowIsGood, timeSeries } from '../panels.ts'
import { matrix } from '../tables.ts'

export const LOSS_STEPS = lowIsGood(0.001, 0.01)
const LIMIT = 'Empty above 8,192 paths; `meshgauge mesh matrix` has all of them.'
const OF_PAIRS = 'source=~"$node",destination=~"$node",interface=~"$interface"'
const RACKS =
  'A click on a cell selects its two racks. With more than 20 racks, the cells are within each rack and to all others.'

/** Matrices of racks: loss, round-trip time and throughput. */
export const racks = (
  [
    ['Loss from rack to rack', 'Share of lost probes in the last minute. Normal is 0.', 'percentunit'],
    ['Round-trip time from rack to rack', 'Mean of the last minute in seconds. Normal is below 1 ms.', 's'],
    [
      'Throughput from rack to rack',
      'Median of the last iperf run in bit/s. Normally all are about equal.',
      'bps',
    ],
  ] as const
).map(([title, meaning, unit]) =>
  matrix({
    title,
    description: `Rows send, columns receive. ${meaning} ${RACKS}`,
    unit,
    queries: [
      {
        percentunit: {
          expr: 'max by (source_rack, destination_rack) (meshgauge_mesh_rack_loss_ratio{source_rack=~"$rack"})',
        },
        s: {
          expr: 'max by (source_rack, destination_rack) (meshgauge_mesh_rack_rtt_seconds{source_rack=~"$rack"})',
        },
        bps: {
          expr: 'min by (source_rack, destination_rack) (meshgauge_rack_throughput_bits_per_second{source_rack=~"$rack"})',
        },
      }[unit],
    ],
    ...(unit === 'percentunit' ? { steps: LOSS_STEPS } : {}),
    ...(unit === 's' ? { steps: lowIsGood(0.001, 0.01) } : {}),
    rows: 'source_rack',
    columns: 'destination_rack',
    variable: 'rack',
    next: 'mesh',
    width: 8,
  }),
)

const CELLS = 'Rows send, columns receive; each cell is the worst interface.'
const PAIR_NEXT = 'A click on a cell selects its two nodes; the pair is then shown at the bottom.'

/** Matrices of the selected nodes: loss, round-trip time and throughput. */
export const nodes = [
  matrix({
    title: 'Loss from node to node',
    description: `${CELLS} Share of lost probes in the last minute. Normal is 0. A bad row is a node with bad transmission; a bad row and column is a bad node. ${PAIR_NEXT} ${LIMIT}`,
    unit: 'percentunit',
    queries: [{ expr: `max by (source, destination) (meshgauge_mesh_pair_loss_ratio{${OF_PAIRS}})` }],
    steps: LOSS_STEPS,
    rows: 'source',
    columns: 'destination',
    variable: 'node',
    next: 'mesh',
    width: 8,
    height: 10,
  }),
  matrix({
    title: 'Round-trip time from node to node',
    description: `${CELLS} Median of the last minute in seconds. Normal is below 1 ms within a rack. ${PAIR_NEXT} ${LIMIT}`,
    unit: 's',
    queries: [{ expr: `max by (source, destination) (meshgauge_mesh_pair_rtt_p50_seconds{${OF_PAIRS}})` }],
    steps: lowIsGood(0.001, 0.01),
    rows: 'source',
    columns: 'destination',
    variable: 'node',
    next: 'mesh',
    width: 8,
    height: 10,
  }),
  matrix({
    title: 'Throughput from node to node',
    description: `${CELLS} bit/s in the last iperf run of the pair. Normally all are about equal. ${PAIR_NEXT} Empty for runs of more than 2,000 pairs; \`meshgauge runs show\` has them.`,
    unit: 'bps',
    queries: [
      { expr: `min by (source, destination) (meshgauge_pair_throughput_bits_per_second{${OF_PAIRS}})` },
    ],
    rows: 'source',
    columns: 'destination',
    variable: 'node',
    next: 'mesh',
    width: 8,
    height: 10,
  }),
]

/** The pairs of the selected nodes, over time. */
export const pairs = (
  [
    [
      'Pairs: loss',
      'Share of lost probes of pairs of the selected nodes; the 20 highest. Normal is 0.',
      'percentunit',
      'topk(20, meshgauge_mesh_pair_loss_ratio',
    ],
    [
      'Pairs: median round-trip time',
      'Median round-trip time of pairs of the selected nodes in seconds; the 20 highest. Normal is below 1 ms within a rack.',
      's',
      'topk(20, meshgauge_mesh_pair_rtt_p50_seconds',
    ],
    [
      'Pairs: throughput',
      'Throughput of pairs of the selected nodes in the last iperf run in bit/s; the 20 lowest. Normally all are about equal.',
      'bps',
      'bottomk(20, meshgauge_pair_throughput_bits_per_second',
    ],
  ] as const
).map(([title, description, unit, of]) =>
  timeSeries({
    title,
    description: `${description} ${unit === 'bps' ? 'Empty for runs of more than 2,000 pairs.' : LIMIT}`,
    unit,
    queries: [{ expr: `${of}{${OF_PAIRS}})`, legend: '{{source}} to {{destination}} {{interface}}' }],
    next: 'node',
    nodeLabel: 'source',
    width: 8,
  }),
)
