/** What leaves a device: at which rate, and up to which packet. */
export type Shape = {
  rate: number | 'unlimited'
  /** Larger IP packets vanish without a word: an MTU black hole. */
  maxPacketBytes?: number
}

const ETHERNET_HEADER_BYTES = 14
/**
 * Four of the 64 KiB packets that TCP segmentation offload makes. With two, TCP loses so many at once that a two-second
 * measurement of 20 Mbit/s now and then misses by 15 %; with four it does not.
 */
const MIN_QUEUE_BYTES = 4 * 65536
/** What a switch's port can hold, as time at line rate: enough for a full rate, not so much that pings drown. */
const QUEUE_SECONDS = 0.008
/** A bucket of this long (and at least one full frame) keeps htb's timers off the critical path at 10 Gbit/s. */
const BURST_SECONDS = 0.0005
const MIN_BURST_BYTES = 16_000

/** A first `replace` makes sure that there is something to delete; then the device is as new. */
const clear = (device: string): string[] => [
  `qdisc replace dev ${device} root pfifo`,
  `qdisc del dev ${device} root`,
]

/**
 * TCP packets of less than 128 bytes (64 of payload with IPv6), which are acknowledgements, pass by the queue and do
 * not count. Else those of one direction would wait and drown behind the data of the other, or take its rate from it,
 * and a port that is slow in one direction would measure slow in both: the lab has to break one thing at a time.
 */
const acknowledgementsFree = (device: string): string[] => [
  `class add dev ${device} parent 1: classid 1:10 htb rate 100gbit burst 64kb cburst 64kb quantum 65536`,
  `filter add dev ${device} parent 1: protocol ip prio 1 u32 match u8 6 0xff at 9 match u16 0 0xff80 at 2 flowid 1:10`,
  `filter add dev ${device} parent 1: protocol ipv6 prio 2 u32 match u8 6 0xff at 6 match u16 0 0xffc0 at 4 flowid 1:10`,
]

/**
 * htb rather than tbf: it lets one packet overdraw its bucket, so that a 64 KiB offloaded packet passes at any rate
 * without a bucket of that size.
 */
const limitRate = (device: string, rate: number): string[] => {
  const burst = Math.max(MIN_BURST_BYTES, Math.round((rate / 8) * BURST_SECONDS))
  const limit = Math.max(MIN_QUEUE_BYTES, Math.round((rate / 8) * QUEUE_SECONDS))
  return [
    `qdisc add dev ${device} root handle 1: htb default 20`,
    `class add dev ${device} parent 1: classid 1:20 htb rate ${rate}bit burst ${burst}b cburst ${burst}b quantum 65536`,
    `qdisc add dev ${device} parent 1:20 handle 20: bfifo limit ${limit}b`,
    ...acknowledgementsFree(device),
  ]
}

/**
 * An MTU black hole is a tbf without a brake: tbf drops what is longer than its burst, and it looks at the segments of
 * an offloaded packet, which a filter on the packet's length cannot do.
 */
const dropLarger = (device: string, parent: string, bytes: number): string =>
  `qdisc replace dev ${device} ${parent} tbf rate 100gbit burst ${bytes + ETHERNET_HEADER_BYTES}b limit 4mb`

/** Lines for `tc -batch` that give `device` exactly this shape, whatever it had before. */
export const shapeLines = (device: string, { rate, maxPacketBytes }: Shape): string[] => {
  const lines = clear(device)
  if (rate !== 'unlimited') lines.push(...limitRate(device, Math.round(rate)))
  if (maxPacketBytes !== undefined) {
    lines.push(dropLarger(device, rate === 'unlimited' ? 'root' : 'parent 1:20', maxPacketBytes))
  }
  return lines
}
