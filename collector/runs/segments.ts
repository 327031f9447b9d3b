import type { SegmentBytes } from '../diagnosis/expectations.ts'
import type { PreparedRun } from '../dispatch/prepared-run.ts'

/** Of an interface that does not say its MTU: Ethernet's. */
const DEFAULT_MTU_BYTES = 1500
/** IP and TCP headers with the timestamps option: 20 or 40, and 32 bytes. */
const HEADER_BYTES = { v4: 52, v6: 72 }

/**
 * How many bytes a full TCP segment of each pair carries, from the smaller MTU of its ends and the MSS that was asked
 * for. The programs count retransmitted segments and sent bytes; this makes a rate of them.
 */
export const segmentBytesOf = ({
  endpoints,
  spec,
}: Pick<PreparedRun, 'endpoints' | 'spec'>): SegmentBytes => {
  const mtus = new Map(
    endpoints.map(({ node, interface: name, mtuBytes }) => [
      `${node} ${name}`,
      mtuBytes || DEFAULT_MTU_BYTES,
    ]),
  )
  const asked = spec.test?.$case === 'iperf' ? spec.test.value.options?.mssBytes : undefined
  return ({ source, destination }) => {
    const ends = [source, destination].map((end) => mtus.get(`${end?.node} ${end?.interface}`))
    const mtu = Math.min(...ends.map((bytes) => bytes ?? DEFAULT_MTU_BYTES))
    const header = source?.address.includes(':') ? HEADER_BYTES.v6 : HEADER_BYTES.v4
    return Math.max(1, Math.min(mtu - header, asked ?? Number.POSITIVE_INFINITY))
  }
}
