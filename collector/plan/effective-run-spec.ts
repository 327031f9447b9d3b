/** Defaults of a run. They are filled in here only: plans, agents, results and the API use the effective values. */

import { HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Caps, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { HOST_SAMPLING_DEFAULTS, IPERF_DEFAULTS, PING_DEFAULTS } from '../../lib/test-defaults.ts'
import { defaultShiftCount } from '../topology/shifts.ts'
import { isBidirectional } from './caps.ts'
import { defaultCaps } from './plan.ts'
import type { HostSampling, IperfTest, PingTest, RequestedRunSpec, RunSpec, RunTest } from './run-spec.ts'

/** The fields of T that are stated; the others get their defaults. */
type Stated<T> = { [K in keyof T]?: T[K] | undefined }

export const createPingTest = (stated: Stated<Omit<PingTest, 'kind'>> = {}): PingTest => {
  const engine = stated.engine || PING_DEFAULTS.engine
  return {
    kind: 'ping',
    engine,
    count: stated.count ?? PING_DEFAULTS.count,
    intervalSeconds: stated.intervalSeconds ?? PING_DEFAULTS.intervalSeconds,
    timeoutSeconds: stated.timeoutSeconds ?? PING_DEFAULTS.timeoutSeconds,
    // A TCP connection has no payload.
    sizeBytes: stated.sizeBytes ?? (engine === 'tcp' ? undefined : PING_DEFAULTS.sizeBytes),
    dontFragment: stated.dontFragment ?? false,
    ttl: stated.ttl,
    tos: stated.tos,
  }
}

type OptionsWithDefaults = Pick<
  IperfOptions,
  'protocol' | 'direction' | 'parallelCount' | 'bitsPerSecond' | 'requestResponse'
>

/** The options of iperf3 or netperf with those defaults filled in that runs and traffic share. */
export const effectiveIperfOptions = <T extends OptionsWithDefaults>(engine: string, options: T) => {
  const { requestResponse } = options
  const protocol = options.protocol || Protocol.PROTOCOL_TCP
  const isUdpOfIperf3 = engine === IPERF_DEFAULTS.engine && protocol === Protocol.PROTOCOL_UDP
  return {
    ...options,
    protocol,
    direction: options.direction || Direction.DIRECTION_FORWARD,
    parallelCount: options.parallelCount ?? IPERF_DEFAULTS.parallelCount,
    bitsPerSecond: options.bitsPerSecond ?? (isUdpOfIperf3 ? IPERF_DEFAULTS.udpBitsPerSecond : undefined),
    requestResponse: requestResponse && {
      requestBytes: requestResponse.requestBytes ?? IPERF_DEFAULTS.requestBytes,
      responseBytes: requestResponse.responseBytes ?? IPERF_DEFAULTS.responseBytes,
    },
  }
}

type FieldsWithDefault = 'engine' | 'intervalSeconds' | 'parallelCount'
type StatedIperf = Partial<Omit<IperfTest, 'kind' | FieldsWithDefault>> &
  Stated<Pick<IperfTest, FieldsWithDefault>>

export const createIperfTest = (stated: StatedIperf = {}): IperfTest => {
  const { durationSeconds, omitSeconds, intervalSeconds, ports, ...others } = stated
  const engine = stated.engine || IPERF_DEFAULTS.engine
  const { duration, omit, interval, ...options } = IperfOptions.fromPartial(others)
  const hasEnd = durationSeconds !== undefined || options.bytes !== undefined
  return {
    ...effectiveIperfOptions(engine, options),
    kind: 'iperf',
    engine,
    durationSeconds: hasEnd ? durationSeconds : IPERF_DEFAULTS.durationSeconds,
    omitSeconds,
    intervalSeconds: intervalSeconds ?? IPERF_DEFAULTS.intervalSeconds,
    ports,
  }
}

const effectiveSampling = ({ intervalSeconds, source }: Stated<HostSampling>): HostSampling => ({
  intervalSeconds: intervalSeconds ?? HOST_SAMPLING_DEFAULTS.intervalSeconds,
  source: source || HostSource.HOST_SOURCE_PROC,
})

const effectiveCaps = (caps: Caps, test: IperfTest): Caps => ({
  ...caps,
  perNodeCount: caps.perNodeCount || defaultCaps.perNode,
  // A bidirectional test uses both directions of both ends: two at the same time would measure each other.
  exclusiveNodes: caps.exclusiveNodes || isBidirectional(test),
})

type StatedRun<T> = Stated<Omit<RunSpec, 'test' | 'hostSampling'>> & {
  test: T
  hostSampling?: Stated<HostSampling> | undefined
}

/** Returns the spec with all defaults filled in that do not depend on the fleet. */
export const createRunSpec = <T extends RunTest | undefined>(
  stated: StatedRun<T>,
): Omit<RunSpec, 'test'> & { test: T } => ({
  label: stated.label ?? '',
  topology: stated.topology ?? Topology.fromPartial({}),
  test: stated.test,
  interfaces: stated.interfaces ?? [],
  // Pings have no caps: all pairs run at the same time.
  caps:
    stated.test?.kind === 'iperf'
      ? effectiveCaps(stated.caps ?? Caps.fromPartial({}), stated.test)
      : stated.caps,
  expectations: stated.expectations ?? [],
  hostSampling: stated.hostSampling && effectiveSampling(stated.hostSampling),
  profile: stated.profile ?? '',
  schedule: stated.schedule ?? '',
  allowTraffic: stated.allowTraffic ?? false,
})

/** The spec with the number of shifts filled in. A small fleet has fewer shifts than the default. */
export const withShiftCount = <T extends RequestedRunSpec>(spec: T, nodeCount: number): T =>
  spec.topology.kind === TopologyKind.TOPOLOGY_KIND_SHIFTS && spec.topology.shiftCount === 0
    ? { ...spec, topology: { ...spec.topology, shiftCount: defaultShiftCount(nodeCount) } }
    : spec
