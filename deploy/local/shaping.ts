/** The limits of a device's outgoing traffic. */
export type Shape = {
  /** bit/s. */
  rate: number | 'unlimited'
  /** Larger IP packets are dropped without an ICMP message: an MTU black hole. */
  maxPacketBytes?: number
}

const ETHERNET_HEADER_BYTES = 14
/**
 * Four packets of TCP segmentation offload, of 64 KiB each. With two, bursts of loss make some two-second measurements
 * at 20 Mbit/s 15 % too low; with four they do not.
 */
const MIN_QUEUE_BYTES = 4 * 65536
/** Length of a switch port's queue, as time at line rate: enough for the full rate with little delay for pings. */
const QUEUE_SECONDS = 0.008
/** Size of htb's token bucket, as time at line rate. A shorter one would make htb's timers limit 10 Gbit/s. */
const BURST_SECONDS = 0.0005
const MIN_BURST_BYTES = 16_000

/** Removes all shaping of a device. The `replace` makes sure that `del` finds a queueing discipline. */
const clear = (device: string): string[] => [
  `qdisc replace dev ${device} root pfifo`,
  `qdisc del dev ${device} root`,
]

/**
 * Exempts TCP acknowledgements (packets below 128 bytes; with IPv6, below 64 bytes of payload) from the rate and its
 * queue. Otherwise acknowledgements would wait behind the data of the other direction, and a fault in one direction
 * would slow down both.
 */
const exemptAcknowledgements = (device: string): string[] => [
  `class add dev ${device} parent 1: classid 1:10 htb rate 100gbit burst 64kb cburst 64kb quantum 65536`,
  `filter add dev ${device} parent 1: protocol ip prio 1 u32 match u8 6 0xff at 9 match u16 0 0xff80 at 2 flowid 1:10`,
  `filter add dev ${device} parent 1: protocol ipv6 prio 2 u32 match u8 6 0xff at 6 match u16 0 0xffc0 at 4 flowid 1:10`,
]

/** Uses htb, not tbf: htb lets one packet exceed its bucket, so 64 KiB offloaded packets pass at any rate. */
const limitRate = (device: string, rate: number): string[] => {
  const burst = Math.max(MIN_BURST_BYTES, Math.round((rate / 8) * BURST_SECONDS))
  const limit = Math.max(MIN_QUEUE_BYTES, Math.round((rate / 8) * QUEUE_SECONDS))
  return [
    `qdisc add dev ${device} root handle 1: htb default 20`,
    `class add dev ${device} parent 1: classid 1:20 htb rate ${rate}bit burst ${burst}b cburst ${burst}b quantum 65536`,
    `qdisc add dev ${device} parent 1:20 handle 20: bfifo limit ${limit}b`,
    ...exemptAcknowledgements(device),
  ]
}

/**
 * Drops larger packets with a tbf of unlimited rate: tbf drops packets longer than its burst. Unlike a filter on the
 * packet length, it looks at the segments of an offloaded packet.
 */
const dropLarger = (device: string, parent: string, bytes: number): string =>
  `qdisc replace dev ${device} ${parent} tbf rate 100gbit burst ${bytes + ETHERNET_HEADER_BYTES}b limit 4mb`

/** Lines for `tc -batch` that replace the shaping of `device`. */
export const shapeLines = (device: string, { rate, maxPacketBytes }: Shape): string[] => {
  const lines = clear(device)
  if (rate !== 'unlimited') lines.push(...limitRate(device, Math.round(rate)))
  if (maxPacketBytes !== undefined) {
    lines.push(dropLarger(device, rate === 'unlimited' ? 'root' : 'parent 1:20', maxPacketBytes))
  }
  return lines
}
