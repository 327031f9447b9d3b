import { timeSeries } from '../panels.ts'

const RATE = '[$' + '__rate_interval]'

/** What agents deliver continuously: windows of the ping mesh and figures of sustained traffic. */
export const ingest = [
  timeSeries({
    title: 'Mesh: windows per second',
    description:
      'Received and stored windows per second. Normal is one per path every 10 s, and both values equal. If fewer are stored, look at the store panels.',
    unit: 'short',
    queries: [
      { expr: `sum(rate(meshgauge_mesh_windows_total${RATE}))`, legend: 'received' },
      { expr: `sum(rate(meshgauge_store_windows_total${RATE}))`, legend: 'stored' },
    ],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Mesh: windows waiting for the store',
    description:
      'Received windows that are not stored yet. Normal is at most the number received in a second. If it grows, look at the errors and write times of the store.',
    unit: 'short',
    queries: [{ expr: 'sum(meshgauge_mesh_waiting_windows)', legend: 'windows' }],
    next: 'mesh',
  }),
  timeSeries({
    title: 'Traffic: flows',
    description:
      'Flows by state: a flow is dead when its receiving end counts no bytes. Normally none is dead. `meshgauge traffic status` shows the reasons.',
    unit: 'short',
    queries: [{ expr: 'sum by (state) (meshgauge_traffic_flows)', legend: '{{state}}' }],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Traffic: requested and received',
    description:
      'Sum of the received rates, and of the requested rates (0 when no bitrate was set). Normally both are equal. If less is received, look at dead flows and overloaded nodes.',
    unit: 'bps',
    queries: [
      { expr: 'sum(meshgauge_traffic_received_bits_per_second)', legend: 'received' },
      { expr: 'sum(meshgauge_traffic_asked_bits_per_second)', legend: 'requested' },
    ],
    next: 'fleet',
  }),
  timeSeries({
    title: 'Traffic: restarts, per hour',
    description:
      'Number of flow restarts per hour. Normal is 0. `meshgauge traffic flows` shows which flows restart.',
    unit: 'short',
    queries: [{ expr: 'sum(increase(meshgauge_traffic_restarts_total[1h]))', legend: 'restarts' }],
    next: 'fleet',
  }),
]
