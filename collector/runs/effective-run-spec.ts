/** Defaults of a run. They are filled in here only: plans, agents, results and the API use the effective values. */

import { type HostSampling, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import {
  Caps,
  type IperfTest,
  type PingTest,
  type RunSpec,
  TopologyKind,
} from '#proto/meshgauge/collector/v1/run.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { HOST_SAMPLING_DEFAULTS, IPERF_DEFAULTS, PING_DEFAULTS } from '../../lib/test-defaults.ts'
import { isBidirectional } from '../plan/caps.ts'
import { defaultCaps } from '../plan/plan.ts'
import { defaultShiftCount } from '../topology/shifts.ts'

const effectivePing = (test: PingTest): PingTest => {
  const engine = test.engine || PING_DEFAULTS.engine
  return {
    ...test,
    engine,
    count: test.count ?? PING_DEFAULTS.count,
    interval: test.interval ?? toDuration(PING_DEFAULTS.intervalSeconds),
    timeout: test.timeout ?? toDuration(PING_DEFAULTS.timeoutSeconds),
    // A TCP connection has no payload.
    sizeBytes: test.sizeBytes ?? (engine === 'tcp' ? undefined : PING_DEFAULTS.sizeBytes),
  }
}

/** The options of iperf3 or netperf with defaults filled in, except the duration, which traffic does not have. */
export const effectiveIperfOptions = (engine: string, options: IperfOptions): IperfOptions => {
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

const effectiveIperf = (test: IperfTest): IperfTest => {
  const engine = test.engine || IPERF_DEFAULTS.engine
  const options = effectiveIperfOptions(engine, test.options ?? IperfOptions.fromPartial({}))
  const hasEnd = options.duration !== undefined || options.bytes !== undefined
  return {
    ...test,
    engine,
    options: {
      ...options,
      duration: hasEnd ? options.duration : toDuration(IPERF_DEFAULTS.durationSeconds),
      interval: options.interval ?? toDuration(IPERF_DEFAULTS.intervalSeconds),
    },
  }
}

const effectiveTest = (test: RunSpec['test']): RunSpec['test'] => {
  if (test?.$case === 'ping') return { $case: 'ping', value: effectivePing(test.value) }
  return test && { $case: 'iperf', value: effectiveIperf(test.value) }
}

const effectiveSampling = ({ interval, source }: HostSampling): HostSampling => ({
  interval: interval ?? toDuration(HOST_SAMPLING_DEFAULTS.intervalSeconds),
  source: source || HostSource.HOST_SOURCE_PROC,
})

const effectiveCaps = (spec: RunSpec): Caps => {
  const caps = Caps.fromPartial(spec.caps ?? {})
  return {
    ...caps,
    perNodeCount: caps.perNodeCount || defaultCaps.perNode,
    // A bidirectional test uses both directions of both ends: two at the same time would measure each other.
    exclusiveNodes: caps.exclusiveNodes || isBidirectional(spec),
  }
}

/** The spec with all defaults filled in that do not depend on the fleet. An effective spec stays as it is. */
export const effectiveRunSpec = (spec: RunSpec): RunSpec => {
  return {
    ...spec,
    test: effectiveTest(spec.test),
    // Pings have no caps: all pairs run at the same time.
    caps: spec.test?.$case === 'iperf' ? effectiveCaps(spec) : spec.caps,
    hostSampling: spec.hostSampling && effectiveSampling(spec.hostSampling),
  }
}

/** The spec with the number of shifts filled in. A small fleet has fewer shifts than the default. */
export const withShiftCount = (spec: RunSpec, nodeCount: number): RunSpec =>
  spec.topology?.kind === TopologyKind.TOPOLOGY_KIND_SHIFTS && spec.topology.shiftCount === 0
    ? {
        ...spec,
        topology: { ...spec.topology, shiftCount: defaultShiftCount(nodeCount) },
      }
    : spec
