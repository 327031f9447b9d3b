/**
 * The ceilings of an agent, which no request raises: a request without a value gets the ceiling, and one above it is
 * refused. They apply to what this node sends, and to what others send through its servers.
 */

import type { Limits } from '#proto/meshgauge/agent/v1/agent.ts'
import { type IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { type ExceededLimit, limitError } from '../lib/errors.ts'
import { fromDuration, toDuration } from '../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../lib/test-defaults.ts'
import { formatBitrate, formatDuration } from '../lib/units.ts'
import type { PingPlan } from './engines/ping-request.ts'

/** 1,000 targets each second use 1.6 % of a core; ten times this is more than any mesh needs. */
export const MAX_PROBES_PER_SECOND = 10_000
/** Probes of 65,000 bytes to hundreds of targets would be a load test without its admission. */
export const MAX_PROBE_BITS_PER_SECOND = 100_000_000
/** Ethernet, IP and ICMP headers of a probe, at most. */
const PROBE_HEADER_BYTES = 62

/** @throws OperatingError LIMIT_EXCEEDED with all limits that are exceeded */
export const throwIfExceeded = (candidates: readonly (ExceededLimit | false)[]): void => {
  const exceeded = candidates.filter((candidate) => candidate !== false)
  if (exceeded.length > 0) throw limitError('agent', ...exceeded)
}

const tooManyFlows = ({ maxFlowsCount: value }: Limits, count: number): ExceededLimit | false =>
  count > value && { problem: `${count} flows in one stream`, limit: 'max_flows_count', value }

/** The longest test in whole seconds, which is what the programs count. */
const maxSecondsOf = (limits: Limits): number => Math.floor(fromDuration(limits.maxDuration) ?? 0)

const perFlow = (bitsPerSecond: number): ExceededLimit['value'] => `${formatBitrate(bitsPerSecond)} per flow`

/** The rate of each stream, with the defaults of the programs; 0 is unlimited. */
const streamRateOf = ({ bitsPerSecond, protocol }: IperfOptions): number =>
  bitsPerSecond ?? (protocol === Protocol.PROTOCOL_UDP ? IPERF_DEFAULTS.udpBitsPerSecond : 0)

/**
 * Returns the options of a test with rate and duration filled in, so that they are within the ceilings.
 * @param limitsRate whether the engine can limit its rate
 * @throws OperatingError LIMIT_EXCEEDED for what was requested above them
 */
export const boundedOptions = (
  limits: Limits,
  options: IperfOptions,
  { flowCount, sustained, limitsRate }: { flowCount: number; sustained: boolean; limitsRate: boolean },
): IperfOptions => {
  const maxSeconds = maxSecondsOf(limits)
  const maxBits = limits.maxBitsPerSecond
  const streams = options.parallelCount ?? IPERF_DEFAULTS.parallelCount
  const wanted = streamRateOf(options)
  const isUnlimited = wanted === 0 || options.bitsPerSecond === undefined
  const allowed = Math.floor(maxBits / streams)
  const rate = maxBits > 0 && isUnlimited ? Math.min(wanted || allowed, allowed) : wanted
  const omit = fromDuration(options.omit) ?? 0
  const given = fromDuration(options.duration)
  // Sustained traffic is a sequence of tests, none longer than the limit.
  const seconds = given ?? Math.min(IPERF_DEFAULTS.durationSeconds, Math.max(1, maxSeconds - omit))
  const byteSeconds = rate > 0 && options.bytes !== undefined ? (options.bytes * 8) / (rate * streams) : 0
  throwIfExceeded([
    tooManyFlows(limits, flowCount),
    !sustained &&
      options.bytes === undefined &&
      seconds + omit > maxSeconds && {
        problem: `a test of ${formatDuration(seconds + omit)} with its warm-up`,
        limit: 'max_duration',
        value: formatDuration(maxSeconds),
      },
    options.bytes !== undefined &&
      byteSeconds + omit > maxSeconds && {
        problem: `${options.bytes} bytes take ${formatDuration(byteSeconds + omit)} at ${formatBitrate(rate * streams)}`,
        limit: 'max_duration',
        value: formatDuration(maxSeconds),
      },
    maxBits > 0 &&
      !limitsRate && {
        problem: 'this engine cannot limit its rate',
        limit: 'max_bits_per_second',
        value: perFlow(maxBits),
      },
    maxBits > 0 &&
      rate * streams > maxBits && {
        problem: `${formatBitrate(rate * streams)} over all streams`,
        limit: 'max_bits_per_second',
        value: perFlow(maxBits),
      },
    maxBits > 0 &&
      rate === 0 && {
        problem: `${streams} streams cannot share that rate`,
        limit: 'max_bits_per_second',
        value: perFlow(maxBits),
      },
  ])
  return {
    ...options,
    bitsPerSecond: maxBits > 0 ? rate : options.bitsPerSecond,
    duration:
      options.bytes !== undefined || (sustained && given === undefined)
        ? options.duration
        : toDuration(seconds),
  }
}

/**
 * Returns the length of the tests that a server serves, within the ceiling.
 * @throws OperatingError LIMIT_EXCEEDED
 */
export const boundedServeSeconds = (
  limits: Limits,
  requested: number | undefined,
  { flowCount, limitsRate }: { flowCount: number; limitsRate: boolean },
): number => {
  const maxSeconds = maxSecondsOf(limits)
  const seconds = requested ?? Math.min(IPERF_DEFAULTS.durationSeconds, maxSeconds)
  throwIfExceeded([
    tooManyFlows(limits, flowCount),
    seconds > maxSeconds && {
      problem: `a test of ${formatDuration(seconds)} with its warm-up`,
      limit: 'max_duration',
      value: formatDuration(maxSeconds),
    },
    limits.maxBitsPerSecond > 0 &&
      !limitsRate && {
        problem: 'this engine cannot limit its rate',
        limit: 'max_bits_per_second',
        value: perFlow(limits.maxBitsPerSecond),
      },
  ])
  return seconds
}

export type ProbeLoad = { probesPerSecond: number; bitsPerSecond: number }

/** What the probes of a plan cost the network, in the direction of the requests. Answers cost the same. */
export const probeLoadOf = ({
  addresses,
  intervalSeconds,
  sizeBytes,
}: Pick<PingPlan, 'addresses' | 'intervalSeconds' | 'sizeBytes'>): ProbeLoad => {
  const probesPerSecond = addresses.length / intervalSeconds
  return { probesPerSecond, bitsPerSecond: probesPerSecond * (sizeBytes + PROBE_HEADER_BYTES) * 8 }
}

export const sumOfLoads = (loads: readonly ProbeLoad[]): ProbeLoad => ({
  probesPerSecond: loads.reduce((sum, each) => sum + each.probesPerSecond, 0),
  bitsPerSecond: loads.reduce((sum, each) => sum + each.bitsPerSecond, 0),
})

/** The rate of all probes of a node; a ceiling for bandwidth tests applies to them too. */
export const maxProbeBitsOf = (maxBitsPerSecond: number): number =>
  maxBitsPerSecond > 0 ? Math.min(maxBitsPerSecond, MAX_PROBE_BITS_PER_SECOND) : MAX_PROBE_BITS_PER_SECOND

/**
 * Returns the longest time of a ping; a continuous one ends after it too.
 * @throws OperatingError LIMIT_EXCEEDED
 */
export const boundedPingSeconds = (
  limits: Limits,
  { count, intervalSeconds, timeoutSeconds }: PingPlan,
): number => {
  const maxSeconds = fromDuration(limits.maxDuration) ?? 0
  const seconds = count === undefined ? 0 : (count - 1) * intervalSeconds
  throwIfExceeded([
    seconds > maxSeconds && {
      problem: `${count} probes take ${formatDuration(seconds)}`,
      limit: 'max_duration',
      value: formatDuration(maxSeconds),
    },
  ])
  // The last answer may take until its timeout.
  return maxSeconds + timeoutSeconds
}

const throwIfTooMuch = (limits: Limits, { probesPerSecond, bitsPerSecond }: ProbeLoad): void =>
  throwIfExceeded([
    probesPerSecond > limits.maxProbesPerSecond && {
      problem: `${Math.round(probesPerSecond)} probes a second from this node`,
      limit: 'max_probes_per_second',
      value: limits.maxProbesPerSecond,
    },
    bitsPerSecond > limits.maxProbeBitsPerSecond && {
      problem: `probes of ${formatBitrate(bitsPerSecond)} from this node`,
      limit: 'max_probe_bits_per_second',
      value: formatBitrate(limits.maxProbeBitsPerSecond),
    },
  ])

/** Counts what all streams of this node probe at the same time. */
export const createProbeCeiling = () => {
  const leases = new Set<ProbeLoad>()
  let meshLoad = (): ProbeLoad | undefined => undefined
  return {
    /** Sets what returns the load of the ping mesh now. */
    countMesh(load: () => ProbeLoad | undefined): void {
      meshLoad = load
    },
    /** Whether the mesh may have this load instead of its present one. @throws OperatingError LIMIT_EXCEEDED */
    throwIfMeshExceeds(limits: Limits, load: ProbeLoad): void {
      throwIfTooMuch(limits, sumOfLoads([...leases, load]))
    },
    /**
     * Takes a part of the ceilings.
     * @returns gives it back; may be called twice
     * @throws OperatingError LIMIT_EXCEEDED
     */
    lease(limits: Limits, load: ProbeLoad): () => void {
      throwIfTooMuch(limits, sumOfLoads([...leases, load, meshLoad() ?? sumOfLoads([])]))
      leases.add(load)
      return () => leases.delete(load)
    },
  }
}

export type ProbeCeiling = ReturnType<typeof createProbeCeiling>
