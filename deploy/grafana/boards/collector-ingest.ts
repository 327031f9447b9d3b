import { timeSeries } from '../panels.ts'

const RATE = '[$' + '__rate_interval]'

/** What comes from agents all the time: the mesh's windows, and sustained traffic. */
export const ingest = [
  timeSeries({
    title: 'Mesh: windows per second',
    description:
      'Windows that came, and that were stored. Normal is one for each path every 10 seconds, and both alike.',
    unit: 'short',
    queries: [
      { expr: `sum(rate(meshgauge_mesh_windows_total${RATE}))`, legend: 'came' },
      { expr: `sum(rate(meshgauge_store_windows_total${RATE}))`, legend: 'stored' },
    ],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: windows that wait for the store',
    description: 'Normal is what comes in a second; they pile up while the store fails.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_waiting_windows)', legend: 'windows' }],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Traffic: flows',
    description: 'Moving when their receiving end counted bytes lately, else dead. Normally none is dead.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_traffic_flows)', legend: '{{state}}' }],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Traffic: asked and received',
    description:
      'What the receiving ends count together, and what was asked; that is 0 without a bitrate. Normally both are alike.',
    unit: 'bps',
    queries: [
      { expr: 'sum(meshgauge_traffic_received_bits_per_second)', legend: 'received' },
      { expr: 'sum(meshgauge_traffic_asked_bits_per_second)', legend: 'asked' },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Traffic: restarts, per hour',
    description: 'Times that a flow was started again after it died. Normal is 0.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_traffic_restarts_total[1h]))', legend: 'restarts' }],
    next: 'fleet',
  }),
]
