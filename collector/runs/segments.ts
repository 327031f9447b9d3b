import type { SegmentBytes } from '../diagnosis/expectations.ts'
import { interfaceKey } from '../inventory/keys.ts'
import type { PlannedRun } from '../plan/plan-run.ts'

/** The MTU of an interface that reports none: Ethernet's. */
const DEFAULT_MTU_BYTES = 1500
/** IP header (20 or 40 bytes) plus TCP header with the timestamps option (32 bytes). */
const HEADER_BYTES = { v4: 52, v6: 72 }

/**
 * Returns a function for the payload bytes of a full TCP segment of a pair: from the smaller MTU of its endpoints and
 * the requested MSS. The engines count retransmitted segments and sent bytes; this turns them into a ratio.
 */
export const segmentBytesOf = ({ endpoints, spec }: Pick<PlannedRun, 'endpoints' | 'spec'>): SegmentBytes => {
  const mtus = new Map(
    endpoints.map((endpoint) => [interfaceKey(endpoint), endpoint.mtuBytes || DEFAULT_MTU_BYTES]),
  )
  const requestedMss = spec.test.kind === 'iperf' ? spec.test.mssBytes : undefined
  return ({ source, destination }) => {
    const known = [source, destination].map((endpoint) => mtus.get(interfaceKey(endpoint)))
    const mtu = Math.min(...known.map((bytes) => bytes ?? DEFAULT_MTU_BYTES))
    const header = source.address.includes(':') ? HEADER_BYTES.v6 : HEADER_BYTES.v4
    return Math.max(1, Math.min(mtu - header, requestedMss ?? Number.POSITIVE_INFINITY))
  }
}
