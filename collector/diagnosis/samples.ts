import type { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { isFailed, isMeasured } from '../dispatch/outcomes.ts'
import type { PairResult } from '../dispatch/pair-result.ts'

/** Why a pair is bad: it could not be measured, or its value is an outlier of its link class. */
export type Fault = 'failed' | 'slow' | 'lossy' | 'late'

/** One pair as the diagnosis sees it. */
export type Sample = {
  readonly result: PairResult
  /** The node that sends the payload, and its interface; in a reversed test the pair's destination. */
  readonly source: string
  readonly sourceInterface: string
  /** The node that receives the payload, and its interface. */
  readonly destination: string
  readonly destinationInterface: string
  /** Link speeds in bits per second. Undefined where they are not known. */
  readonly sourceSpeed: number | undefined
  readonly destinationSpeed: number | undefined
  /** The link class: 'inside' a rack, 'across' racks, or '' where a rack is unknown. */
  readonly reach: 'inside' | 'across' | ''
  /** Received throughput of a measured iperf. */
  readonly bitsPerSecond: number | undefined
  /** Probes sent and lost, of a ping. */
  readonly sentCount: number
  readonly lostCount: number
  /** Median round-trip time in seconds, of a measured ping. */
  readonly rttSeconds: number | undefined
  /** Ratio of the segments that TCP sent again, or of the datagrams that UDP lost, of a measured iperf. */
  readonly resentRatio: number | undefined
  /** Undefined for a good pair. */
  fault: Fault | undefined
  /**
   * Whether the pair alone is bad. A rate can be low enough to be evidence together with other pairs of its node, and be
   * explained by noise when it is the only one.
   */
  standsOut: boolean
  /** Whether no noise explains the value: the pair failed, or its value is far from every good one. */
  isFar: boolean
}

/** Payload of a TCP segment at an MTU of 1500 with timestamps (RFC 7323), in bytes. */
const SEGMENT_BYTES = 1448

/**
 * Returns the loss that an iperf shows. For TCP: retransmits / (sent bytes / 1448). With a larger MTU the segments are
 * fewer than this estimate, and the ratio is too small. For UDP: lost / sent datagrams.
 */
export const resentRatioOf = ({
  lossRatio,
  retransmitCount,
  sentBytes,
}: Pick<IperfResult, 'lossRatio' | 'retransmitCount' | 'sentBytes'>): number | undefined => {
  if (lossRatio !== undefined) return lossRatio
  if (retransmitCount === undefined || !sentBytes) return undefined
  return retransmitCount / Math.max(sentBytes / SEGMENT_BYTES, retransmitCount, 1)
}

export const isBad = ({ fault }: Sample): boolean => fault !== undefined

/** Whether a pair was measured again on new ports. */
export const isRetested = ({ result }: Sample): boolean => result.attemptCount >= 2

const reachOf = (from: string | undefined, to: string | undefined): Sample['reach'] => {
  if (!from || !to) return ''
  return from === to ? 'inside' : 'across'
}

/** Returns a sample for a result that is evidence: measured or failed. Undefined for INVALID and NOT_RUN. */
export const toSample = (
  result: PairResult,
  racks: ReadonlyMap<string, string>,
  reversed: boolean,
): Sample | undefined => {
  const failed = isFailed(result)
  if (!failed && !isMeasured(result)) return undefined
  const { values } = result
  const source = reversed ? result.destination : result.source
  const destination = reversed ? result.source : result.destination
  const speeds = [result.sourceSpeedBitsPerSecond, result.destinationSpeedBitsPerSecond]
  if (reversed) speeds.reverse()
  const ping = values?.kind === 'ping' ? values : undefined
  const iperf = values?.kind === 'iperf' ? values : undefined
  return {
    result,
    source: source.node,
    sourceInterface: source.interface,
    destination: destination.node,
    destinationInterface: destination.interface,
    sourceSpeed: speeds[0],
    destinationSpeed: speeds[1],
    reach: reachOf(racks.get(source.node), racks.get(destination.node)),
    bitsPerSecond: failed ? undefined : iperf?.bitsPerSecond,
    sentCount: ping?.sentCount ?? 0,
    lostCount: ping ? ping.sentCount - ping.receivedCount : 0,
    rttSeconds: failed ? undefined : fromDuration(ping?.rtt?.p50),
    resentRatio: failed ? undefined : iperf && resentRatioOf(iperf),
    fault: failed ? 'failed' : undefined,
    standsOut: failed,
    isFar: failed,
  }
}
