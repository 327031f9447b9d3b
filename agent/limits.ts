import { isIP } from 'node:net'
import type { Limits } from '#proto/meshgauge/agent/v1/agent.ts'
import { OperatingError, type Violation } from '../lib/errors.ts'
import { toDuration } from '../lib/protobuf-time.ts'
import { MAX_PROBES_PER_SECOND, maxProbeBitsOf, throwIfExceeded } from './ceilings.ts'
import { type Interfaces, networkMatcher } from './interfaces.ts'
import type { AgentOptions } from './options.ts'

/** Enough for a mesh of several thousand nodes in one stream; bounds the memory of a stream. */
const MAX_TARGETS = 4096
/** Meshes of sustained traffic use about 100 flows for each node. Each one costs a process of about 1 MB at both endpoints. */
const MAX_FLOWS = 512
/** 100 probes a second to one target; fping itself requires root for a shorter interval. */
const MIN_PING_INTERVAL_SECONDS = 0.01

export const limitsOf = (options: AgentOptions, interfaces: Interfaces): Limits => ({
  maxTargetsCount: MAX_TARGETS,
  maxFlowsCount: MAX_FLOWS,
  maxDuration: toDuration(options.maxDurationSeconds),
  maxBitsPerSecond: options.maxBitsPerSecond,
  maxBytes: 0,
  minPingInterval: toDuration(MIN_PING_INTERVAL_SECONDS),
  ports: options.ports,
  peerNetworks: options.allowPeers.length > 0 ? [...options.allowPeers] : interfaces.networks(),
  maxProbesPerSecond: MAX_PROBES_PER_SECOND,
  maxProbeBitsPerSecond: maxProbeBitsOf(options.maxBitsPerSecond),
})

/** @throws OperatingError LIMIT_EXCEEDED */
export const checkTargetLimit = ({ maxTargetsCount: value }: Limits, count: number): void =>
  throwIfExceeded([
    count > value && { problem: `${count} targets in one stream`, limit: 'max_targets_count', value },
  ])

/**
 * An agent must not be a tool to flood others: it measures only towards the configured networks, or its own.
 * @throws OperatingError PEER_NOT_ALLOWED
 */
export const checkPeers = (limits: Limits, addresses: readonly string[]): void => {
  const outside = [...new Set(addresses)].filter(outsidePeers(limits))
  if (outside.length > 0)
    throw new OperatingError('PEER_NOT_ALLOWED', `${outside.join(', ')}: ${refusal(limits)}`)
}

const outsidePeers = ({ peerNetworks }: Limits): ((address: string) => boolean) => {
  const isAllowed = networkMatcher(peerNetworks)
  return (address) => isIP(address) !== 0 && !isAllowed(address)
}

const refusal = ({ peerNetworks }: Limits): string => {
  const networks = peerNetworks.join(', ') || 'none: no interface has an address'
  return `not in a network that this agent may measure (${networks}); start it with --allow-peers to add one`
}

/** Returns a function that states why an address may not be measured; empty when it may. See checkPeers. */
export const peerRefusals = (limits: Limits): ((address: string) => string) => {
  const isOutside = outsidePeers(limits)
  const text = refusal(limits)
  return (address) => (isOutside(address) ? text : '')
}

/** Returns a violation for each address that is not an IP address. */
export const addressViolations = (
  addresses: readonly string[],
  fieldOf: (index: number) => string,
): Violation[] =>
  addresses.flatMap((address, index) =>
    isIP(address) === 0
      ? [{ field: fieldOf(index), description: `"${address}" is not an IPv4 or IPv6 address` }]
      : [],
  )
