import type { MetricDefinition } from './definition.ts'

/** The metrics of sustained traffic. */
export const TRAFFIC_METRICS = {
  trafficFlows: {
    kind: 'gauge',
    name: 'meshgauge_traffic_flows',
    help: 'Current number of flows of sustained traffic, by state: moving if the receiving end counted bytes recently, otherwise dead. Normally none is dead.',
    unit: '{flow}',
    labels: ['state'],
  },
  trafficReceived: {
    kind: 'gauge',
    name: 'meshgauge_traffic_received_bits_per_second',
    help: 'Current total throughput in bits per second that the receiving ends of sustained traffic count. Normal is near the requested rate, or the capacity of the fabric.',
    unit: '{bit}/s',
    labels: [],
  },
  trafficAsked: {
    kind: 'gauge',
    name: 'meshgauge_traffic_asked_bits_per_second',
    help: 'Current total rate in bits per second that was requested for sustained traffic; 0 without a rate. Normal is the rate that the operator requested.',
    unit: '{bit}/s',
    labels: [],
  },
  trafficRestarts: {
    kind: 'counter',
    name: 'meshgauge_traffic_restarts_total',
    help: 'Total number of restarts of dead flows of sustained traffic. Normal is 0.',
    unit: '{restart}',
    labels: [],
  },
  nodeTraffic: {
    kind: 'gauge',
    name: 'meshgauge_node_traffic_bits_per_second',
    help: 'Current sustained traffic in bits per second that a node receives (rx, counted by its servers) and sends (tx, counted by its clients). Normally equal on all nodes of a mesh.',
    unit: '{bit}/s',
    labels: ['node', 'direction'],
  },
  nodeTrafficDead: {
    kind: 'gauge',
    name: 'meshgauge_node_traffic_dead_flows',
    help: 'Current number of dead flows of sustained traffic from and to a node. Normal is 0.',
    unit: '{flow}',
    labels: ['node'],
  },
} as const satisfies Record<string, MetricDefinition>
