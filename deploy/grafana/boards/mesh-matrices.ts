import { lowIsGood, timeSeries } from '../panels.ts'
import { matrix } from '../tables.ts'

export const LOSS_STEPS = lowIsGood(0.001, 0.01)
const BUDGET = 'Empty above 8,192 paths; `meshgauge mesh` has them all.'
const OF_PAIRS = 'source=~"$node",destination=~"$node",interface=~"$interface"'
const RACKS =
  'A click on a cell chooses its two racks. More than 20 racks are shown each within itself and to all others.'

/** Which rack sends badly to which. */
export const racks = (
  [
    [
      'Loss from rack to rack',
      'Probes lost over probes sent in the last minute. Normal is 0.',
      'percentunit',
    ],
    ['Round-trip time from rack to rack', 'Mean of the last minute. Normal is below 1 ms.', 's'],
    ['Throughput from rack to rack', 'Median of the last iperf run. Normally all are about equal.', 'bps'],
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

const CELLS = 'Rows send, columns receive; of several interfaces the worst.'
const PAIR_NEXT = 'A click on a cell chooses its two nodes: then the pair is at the bottom.'

/** Which node, of the chosen ones. */
export const nodes = [
  matrix({
    title: 'Loss from node to node',
    description: `${CELLS} Probes lost over probes sent in the last minute. Normal is 0. A bad row is a node that sends badly, a bad cross a bad node. ${PAIR_NEXT} ${BUDGET}`,
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
    description: `${CELLS} Medians of the last minute. Normal is below 1 ms in a rack. ${PAIR_NEXT} ${BUDGET}`,
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
    description: `${CELLS} Of the last iperf run that measured the pair, not of the mesh. Normally all are about equal. ${PAIR_NEXT} Empty when a run had more than 2,000 pairs; \`meshgauge runs show\` has them.`,
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

/** The pairs of the chosen nodes, over time. */
export const pairs = (
  [
    [
      'Pairs: loss',
      'Of the chosen nodes, the 20 highest. Normal is 0.',
      'percentunit',
      'topk(20, meshgauge_mesh_pair_loss_ratio',
    ],
    [
      'Pairs: median round-trip time',
      'Of the chosen nodes, the 20 highest. Normal is below 1 ms in a rack.',
      's',
      'topk(20, meshgauge_mesh_pair_rtt_p50_seconds',
    ],
    [
      'Pairs: throughput',
      'Of the chosen nodes in their last iperf run, the 20 lowest. Normally all are about equal.',
      'bps',
      'bottomk(20, meshgauge_pair_throughput_bits_per_second',
    ],
  ] as const
).map(([title, description, unit, of]) =>
  timeSeries({
    title,
    description: `${description} ${unit === 'bps' ? 'Empty above 2,000 pairs of a run.' : BUDGET}`,
    unit,
    queries: [{ expr: `${of}{${OF_PAIRS}})`, legend: '{{source}} to {{destination}} {{interface}}' }],
    next: 'node',
    nodeLabel: 'source',
    width: 8,
  }),
)
