/** Converts nodes to their messages, and descriptions by agents from theirs. */

import type {
  DescribeResponse,
  Limits,
  NodeMetadata as MetadataMessage,
} from '#proto/meshgauge/agent/v1/agent.ts'
import {
  NodeState as MessageState,
  type NodeDescription as NodeDescriptionMessage,
  type Node as NodeMessage,
} from '#proto/meshgauge/collector/v1/fleet.ts'
import { fromDuration, fromTimestamp, toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import type { FleetNode, NodeDescription, NodeLimits, NodeMetadata, NodeState } from './node.ts'

const STATES: Record<NodeState, MessageState> = {
  unspecified: MessageState.NODE_STATE_UNSPECIFIED,
  ready: MessageState.NODE_STATE_READY,
  silent: MessageState.NODE_STATE_SILENT,
}

const durationOf = (seconds: number | undefined) => (seconds === undefined ? undefined : toDuration(seconds))

const limitsOf = ({ maxDuration, minPingInterval, ...limits }: Limits): NodeLimits => ({
  ...limits,
  maxDurationSeconds: fromDuration(maxDuration),
  minPingIntervalSeconds: fromDuration(minPingInterval),
})

const limitsMessage = ({ maxDurationSeconds, minPingIntervalSeconds, ...limits }: NodeLimits): Limits => ({
  ...limits,
  maxDuration: durationOf(maxDurationSeconds),
  minPingInterval: durationOf(minPingIntervalSeconds),
})

export const metadataOf = ({ uptime, ...metadata }: MetadataMessage): NodeMetadata => ({
  ...metadata,
  uptimeSeconds: fromDuration(uptime),
})

export const metadataMessage = ({ uptimeSeconds, ...metadata }: NodeMetadata): MetadataMessage => ({
  ...metadata,
  uptime: durationOf(uptimeSeconds),
})

export const descriptionOf = (response: DescribeResponse): NodeDescription => ({
  node: response.identity?.node ?? '',
  isNameConfigured: response.identity?.nodeConfigured ?? false,
  hostname: response.identity?.hostname ?? '',
  agentVersion: response.identity?.agentVersion ?? '',
  agentStartTime: fromTimestamp(response.identity?.startTime),
  interfaces: response.interfaces.map((link) => ({ ...link, speedBitsPerSecond: link.speedBitsPerSecond })),
  excludedInterfaces: response.excludedInterfaces,
  engines: response.engines,
  limits: response.limits && limitsOf(response.limits),
  labels: response.labels,
  metadata: response.metadata && metadataOf(response.metadata),
})

const descriptionMessage = ({
  isNameConfigured,
  agentStartTime,
  limits,
  metadata,
  ...others
}: NodeDescription): NodeDescriptionMessage => ({
  ...others,
  agentStartTime: agentStartTime && toTimestamp(agentStartTime),
  limits: limits && limitsMessage(limits),
  metadata: metadata && metadataMessage(metadata),
})

export const nodeMessage = ({ description, state, hasForeignAgent, ...node }: FleetNode): NodeMessage => ({
  ...node,
  state: STATES[state],
  description: description && descriptionMessage(description),
  lastSeenTime: node.lastSeenTime && toTimestamp(node.lastSeenTime),
  lastPingTime: node.lastPingTime && toTimestamp(node.lastPingTime),
  lastIperfTime: node.lastIperfTime && toTimestamp(node.lastIperfTime),
})
