import { lowIsGood, timeSeries } from '../panels.ts'

const RATE = '[$' + '__rate_interval]'

/** Health of the mesh measurement itself: delivery, detection time, clocks. */
export const meshHealth = [
  timeSeries({
    title: 'Paths by state',
    description:
      'Number of paths by state. Normally all are up. Stale paths are not measured now: their agent is disconnected, or has other peers in this epoch.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_paths)', legend: '{{state}}' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Events, per hour',
    description:
      'State changes per hour, by new state. Normal is 0. Many alternating up and down events mean an unstable link: `meshgauge mesh events` lists them.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (increase(meshgauge_mesh_events_total[1h]))', legend: '{{state}}' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Relapses, per hour',
    description:
      'Number of times per hour that a path became bad again after a recovery. Normal is 0. Otherwise look for a loose cable, a failing transceiver or a restarting host.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_mesh_relapses_total[1h]))', legend: 'relapses' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Detection time',
    description:
      'Time from the start of a fault until the state of the path changed, over the last hour. Normal is below 3 s for down and 10 s for lossy. It is longer for agents that were disconnected.',
    unit: 's',
    queries: [0.5, 0.99].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (le) (increase(meshgauge_mesh_detection_seconds_bucket[1h])))`,
      legend: `p${quantile * 100}`,
    })),
    next: 'collector',
  }),
  timeSeries({
    title: 'Streams of agents',
    description:
      'Number of agents by state of their mesh stream. Normally all are delivering. `meshgauge mesh` shows the reasons of silent ones.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_streams)', legend: '{{state}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Windows per second',
    description:
      'Received windows, and windows that agents dropped because their buffers were full, per second. Normal is one per path every 10 s, and 0 dropped. Dropped windows are gaps in the history.',
    unit: 'short',
    queries: [
      { expr: `sum(rate(meshgauge_mesh_windows_total${RATE}))`, legend: 'received' },
      { expr: `sum(rate(meshgauge_mesh_windows_dropped_total${RATE}))`, legend: 'dropped' },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Clock offsets of agents',
    description:
      'Difference between the clocks of agent and collector in seconds; the 10 largest. Normal is near 0. Results are corrected by it, but fix the time synchronisation of the host.',
    unit: 's',
    queries: [{ expr: 'topk(10, abs(meshgauge_mesh_clock_offset_seconds))', legend: '{{node}}' }],
    steps: lowIsGood(1, 5),
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Target lists sent, per hour',
    description:
      'Target lists sent to agents per hour. Normal is one per node for each change of the fleet, and one per node and epoch in a large fleet.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_mesh_assignments_total[1h]))', legend: 'lists' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Time until every pair was probed',
    description:
      'Time in which each mesh probes every pair once, in seconds. Normal is 0, because all pairs are always probed, except in large fleets.',
    unit: 's',
    queries: [{ expr: 'max by (mesh) (meshgauge_mesh_coverage_seconds)', legend: '{{mesh}}' }],
    next: 'collector',
  }),
]
