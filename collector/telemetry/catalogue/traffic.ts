/** The metrics of sustained traffic. */

import type { MetricDefinition } from './definition.ts'

export const TRAFFIC = {
  trafficFlows: {
    kind: 'gauge',
    name: 'meshgauge_traffic_flows',
    help: 'Flows of sustained traffic: moving when their receiving end counted bytes lately, else dead. Normally none is dead.',
    unit: '{flow}',
    labels: ['state'],
  },
  trafficReceived: {
    kind: 'gauge',
    name: 'meshgauge_traffic_received_bits_per_second',
    help: 'What the receiving ends of sustained traffic count together. Normal is near what was asked, or what the fabric carries.',
    unit: '{bit}/s',
    labels: [],
  },
  trafficAsked: {
    kind: 'gauge',
    name: 'meshgauge_traffic_asked_bits_per_second',
    help: 'What sustained traffic was asked to send; 0 without a bitrate. Normal is what the operator typed.',
    unit: '{bit}/s',
    labels: [],
  },
  trafficRestarts: {
    kind: 'counter',
    name: 'meshgauge_traffic_restarts_total',
    help: 'Times that a flow of sustained traffic was started again after it died. Normal is 0.',
    unit: '{restart}',
    labels: [],
  },
  nodeTraffic: {
    kind: 'gauge',
    name: 'meshgauge_node_traffic_bits_per_second',
    help: 'Sustained traffic that a node receives (rx, by its servers) and sends (tx, by its clients). Normal is alike on all nodes of a mesh.',
    unit: '{bit}/s',
    labels: ['node', 'direction'],
  },
  nodeTrafficDead: {
    kind: 'gauge',
    name: 'meshgauge_node_traffic_dead_flows',
    help: 'Flows of sustained traffic from and to a node that do not move. Normal is 0.',
    unit: '{flow}',
    labels: ['node'],
  },
} as const satisfies Record<string, MetricDefinition>
