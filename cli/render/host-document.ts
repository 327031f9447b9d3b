/** Metadata and samples of hosts as JSON documents. Units are in the names. Unknown values are absent. */

import type { NodeMetadata } from '#proto/meshgauge/agent/v1/agent.ts'
import type { HostSample, HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { sanitize } from './paint.ts'

export const metadataDocument = (metadata: NodeMetadata) => ({
  architecture: metadata.architecture || undefined,
  fqdn: metadata.fqdn || undefined,
  kernel: metadata.kernel || undefined,
  operatingSystem: metadata.operatingSystem || undefined,
  cpuModel: metadata.cpuModel || undefined,
  cpuVendor: metadata.cpuVendor || undefined,
  cpuSocketCount: metadata.cpuSocketCount || undefined,
  cpuCoresPerSocketCount: metadata.cpuCoresPerSocketCount || undefined,
  cpuThreadsPerCoreCount: metadata.cpuThreadsPerCoreCount || undefined,
  memoryBytes: metadata.memoryBytes || undefined,
  // If the memory is known, 0 bytes of swap mean that there is no swap.
  swapBytes: metadata.memoryBytes ? metadata.swapBytes : undefined,
  systemVendor: metadata.systemVendor || undefined,
  productName: metadata.productName || undefined,
  productVersion: metadata.productVersion || undefined,
  uptimeSeconds: fromDuration(metadata.uptime),
  gpuModel: metadata.gpuModel || undefined,
  gpuCount: metadata.gpuCount,
})

/** The metadata of nodes by name, undefined if there are none. */
export const nodesMetadataDocument = (nodes: Readonly<Record<string, NodeMetadata>>) => {
  const entries = Object.entries(nodes).map(([name, metadata]) => [name, metadataDocument(metadata)] as const)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

const sampleDocument = (sample: HostSample) => ({
  time: fromTimestamp(sample.time)?.toISOString(),
  intervalSeconds: fromDuration(sample.interval),
  cpus: sample.cpus.map(({ cpu, busyRatio, softirqRatio, stealRatio }) => ({
    cpu,
    busyRatio,
    softirqRatio,
    stealRatio,
  })),
  memoryAvailableBytes: sample.memoryAvailableBytes,
  interfaces: sample.interfaces.map((link) => ({ ...link })),
  tcpRetransmitCount: sample.tcpRetransmitCount,
  udpReceiveErrorCount: sample.udpReceiveErrorCount,
  udpReceiveBufferErrorCount: sample.udpReceiveBufferErrorCount,
})

/** The samples in the output of pcp2json (`@pcp`, `@hosts`, `@metrics`), undefined for any other text. */
export const pcpSamples = (json: string): unknown[] | undefined => {
  if (json === '') return undefined
  try {
    const printed = JSON.parse(json) as { '@pcp'?: { '@hosts'?: { '@metrics'?: unknown }[] } } | null
    const samples = printed?.['@pcp']?.['@hosts']?.[0]?.['@metrics']
    return Array.isArray(samples) ? samples : undefined
  } catch {
    return undefined
  }
}

const hostDocument = (host: HostSamples | undefined) =>
  host && {
    samples: host.samples.map(sampleDocument),
    problem: host.problem || undefined,
    pcp: pcpSamples(host.pcpJson),
    pcpProblem: host.pcpProblem || undefined,
  }

/** The samples of both hosts of a pair, undefined if they were not sampled. */
export const hostsDocument = ({ sourceHost, destinationHost }: PairResult) =>
  sourceHost || destinationHost
    ? { source: hostDocument(sourceHost), destination: hostDocument(destinationHost) }
    : undefined

/** Reasons why hosts could not be sampled, each with its nodes. */
export const renderHostProblems = (pairs: readonly PairResult[]): string[] => {
  const nodes = new Map<string, Set<string>>()
  for (const { source, destination, sourceHost, destinationHost } of pairs) {
    for (const [end, host] of [
      [source, sourceHost],
      [destination, destinationHost],
    ] as const) {
      for (const problem of [host?.problem, host?.pcpProblem]) {
        if (!problem) continue
        nodes.set(problem, (nodes.get(problem) ?? new Set()).add(end?.node ?? ''))
      }
    }
  }
  return [...nodes].map(([problem, names]) => sanitize(`${[...names].sort().join(', ')}: ${problem}`))
}
