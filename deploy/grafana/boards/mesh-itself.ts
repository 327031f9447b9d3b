import { lowIsGood, timeSeries } from '../panels.ts'

const RATE = '[$' + '__rate_interval]'

/** Whether the mesh itself is well, so that what it shows can be believed. */
export const itself = [
  timeSeries({
    title: 'Paths by state',
    description:
      'Normally all are up. Stale ones are not measured now: their agent is cut off, or their peers are others at present.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_paths)', legend: '{{state}}' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Events, per hour',
    description:
      'Changes of state, by the state they came to. Normal is 0; many of up and down in turn are a path that flaps.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (increase(meshgauge_mesh_events_total[1h]))', legend: '{{state}}' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Relapses, per hour',
    description:
      'Times that a path became bad again within an hour. Normal is 0; many are a link or a host that comes and goes.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_mesh_relapses_total[1h]))', legend: 'relapses' }],
    next: 'node',
  }),
  timeSeries({
    title: 'Time to see a fault',
    description:
      'From when a path was first bad until its state said so, over the last hour. Normal is below 3 s when it is down, 10 s when it is lossy, and long only for what an agent had to hold.',
    unit: 's',
    queries: [0.5, 0.99].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (le) (increase(meshgauge_mesh_detection_seconds_bucket[1h])))`,
      legend: `p${quantile * 100}`,
    })),
    next: 'collector',
  }),
  timeSeries({
    title: 'Streams of agents',
    description: 'Agents that deliver or are silent. Normally all deliver.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_mesh_streams)', legend: '{{state}}' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Windows per second',
    description:
      'Windows of results that came, and those that agents threw away for want of room. Normal is one for each path every 10 seconds, and 0.',
    unit: 'short',
    queries: [
      { expr: `sum(rate(meshgauge_mesh_windows_total${RATE}))`, legend: 'came' },
      { expr: `sum(rate(meshgauge_mesh_windows_dropped_total${RATE}))`, legend: 'thrown away' },
    ],
    next: 'collector',
  }),
  timeSeries({
    title: 'Clock offsets of agents',
    description:
      "By how much the collector's clock is ahead, the 10 largest either way. Windows are placed by it, so results stay right. Normal is near 0.",
    unit: 's',
    queries: [{ expr: 'topk(10, abs(meshgauge_mesh_clock_offset_seconds))', legend: '{{node}}' }],
    steps: lowIsGood(1, 5),
    next: 'node',
    nodeLabel: 'node',
  }),
  timeSeries({
    title: 'Lists of targets sent, per hour',
    description: 'Normal is one for each node and change of the fleet, and one each epoch in a large fleet.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_mesh_assignments_total[1h]))', legend: 'lists' }],
    next: 'collector',
  }),
  timeSeries({
    title: 'Time until every pair was probed',
    description: 'Of each mesh. Normal is 0, as all pairs are probed all the time, except in a large fleet.',
    unit: 's',
    queries: [{ expr: 'max by (mesh) (meshgauge_mesh_coverage_seconds)', legend: '{{mesh}}' }],
    next: 'collector',
  }),
]
