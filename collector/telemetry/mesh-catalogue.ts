/** The metrics of the ping mesh. */

import type { MetricDefinition } from './definition.ts'

const SECONDS_OF_A_DETECTION = [0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800]

export const MESH = {
  meshLoss: {
    kind: 'gauge',
    name: 'meshgauge_mesh_loss_ratio',
    help: 'Probes of the ping mesh lost over probes sent in the last minute, from (tx) or to (rx) an interface of a node. Normal is 0.',
    unit: '1',
    labels: ['node', 'interface', 'direction'],
  },
  meshRtt: {
    kind: 'gauge',
    name: 'meshgauge_mesh_rtt_seconds',
    help: 'Round-trip time from an interface of a node to its peers in the ping mesh in the last minute, from merged histograms. Normal is below 1 ms in a rack.',
    unit: 's',
    labels: ['node', 'interface', 'stat'],
  },
  meshPaths: {
    kind: 'gauge',
    name: 'meshgauge_mesh_paths',
    help: 'Paths of the ping mesh by state. Normally all are up.',
    unit: '{path}',
    labels: ['state'],
  },
  meshNodePaths: {
    kind: 'gauge',
    name: 'meshgauge_mesh_node_bad_paths',
    help: 'Paths of the ping mesh from or to a node that are down or lossy. Normal is 0.',
    unit: '{path}',
    labels: ['node', 'state'],
  },
  meshWorstLoss: {
    kind: 'gauge',
    name: 'meshgauge_mesh_worst_path_loss_ratio',
    help: 'The 10 paths of the ping mesh that lost most in the last minute, rank 1 the worst; paths without loss are not here. Normally empty.',
    unit: '1',
    labels: ['rank', 'source', 'destination', 'interface'],
  },
  meshRackLoss: {
    kind: 'gauge',
    name: 'meshgauge_mesh_rack_loss_ratio',
    help: 'Probes of the ping mesh lost over probes sent in the last minute from one rack to another; with more than 20 racks and more pairs of racks than nodes, from each rack within itself and to all others. Normal is 0.',
    unit: '1',
    labels: ['source_rack', 'destination_rack'],
  },
  meshRackRtt: {
    kind: 'gauge',
    name: 'meshgauge_mesh_rack_rtt_seconds',
    help: 'Mean round-trip time of the ping mesh in the last minute from one rack to another, as for meshgauge_mesh_rack_loss_ratio. Normal is below 1 ms, and alike between all racks.',
    unit: 's',
    labels: ['source_rack', 'destination_rack'],
  },
  meshLossyInterface: {
    kind: 'gauge',
    name: 'meshgauge_mesh_lossy_interface_ratio',
    help: 'Probes lost over probes sent of each interface that loses some by all its paths together, beyond chance, as last seen; others are not here. Normally empty.',
    unit: '1',
    labels: ['node', 'interface'],
  },
  meshStreams: {
    kind: 'gauge',
    name: 'meshgauge_mesh_streams',
    help: 'Agents of the ping mesh that deliver or are silent. Normally all deliver.',
    unit: '{stream}',
    labels: ['state'],
  },
  meshClockOffset: {
    kind: 'gauge',
    name: 'meshgauge_mesh_clock_offset_seconds',
    help: "By how much the collector's clock is ahead of an agent's, which is set when the agent starts; windows are placed by it. Normal is near 0.",
    unit: 's',
    labels: ['node'],
  },
  meshWindows: {
    kind: 'counter',
    name: 'meshgauge_mesh_windows_total',
    help: 'Windows of results that came from agents. Normal is one for each path every 10 seconds.',
    unit: '{window}',
    labels: [],
  },
  meshDropped: {
    kind: 'counter',
    name: 'meshgauge_mesh_windows_dropped_total',
    help: 'Windows that agents threw away because more were held than they have room for. Normal is 0.',
    unit: '{window}',
    labels: [],
  },
  meshEvents: {
    kind: 'counter',
    name: 'meshgauge_mesh_events_total',
    help: 'Changes of state of paths, interfaces and agents of the ping mesh, by the state they came to. Normal is 0.',
    unit: '{event}',
    labels: ['state'],
  },
  meshDetection: {
    kind: 'histogram',
    name: 'meshgauge_mesh_detection_seconds',
    help: 'Time from when a path was first seen to be bad until its state said so. Normal is below 3 s, and long only for what an agent had to hold.',
    unit: 's',
    labels: [],
    buckets: SECONDS_OF_A_DETECTION,
  },
  meshWaiting: {
    kind: 'gauge',
    name: 'meshgauge_mesh_waiting_windows',
    help: 'Windows of the ping mesh that wait for the store. Normal is what comes in a second.',
    unit: '{window}',
    labels: [],
  },
  meshAssignments: {
    kind: 'counter',
    name: 'meshgauge_mesh_assignments_total',
    help: 'Lists of targets sent to agents. Normal is one for each node and change of the fleet, and one each epoch in a large fleet.',
    unit: '{assignment}',
    labels: [],
  },
  meshCoverage: {
    kind: 'gauge',
    name: 'meshgauge_mesh_coverage_seconds',
    help: 'How long a ping mesh takes until every pair of nodes was probed. Normal is 0, as all pairs are probed all the time, except in a large fleet.',
    unit: 's',
    labels: ['mesh'],
  },
} as const satisfies Record<string, MetricDefinition>
