import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { AgentConnection } from '../inventory/agents.ts'
import type { PingTest } from '../plan/run-spec.ts'
import { measurePings } from './measure-pings.ts'

/** One path whose largest packet is measured. */
export type SizeSweep = {
  node: string
  interface: string
  /** Address of the other end. */
  address: string
  /** MTU of the interface: larger packets do not leave the node. */
  mtuBytes: number
}

/** The default payload of a ping, which passes on every path that works. */
const SMALL_PAYLOAD_BYTES = 56

const IPV4_AND_ICMP_BYTES = 28
const IPV6_AND_ICMP_BYTES = 48

/** One lost probe is no evidence. */
const PROBES = 2
const CONFIRMING_PROBES = 4
const PROBE_INTERVAL_SECONDS = 0.05
const TIMEOUT_SECONDS = 0.25

/** Returns the size of the IP packet of a ping with this payload. */
export const packetBytesOf = (payloadBytes: number, address: string): number =>
  payloadBytes + (address.includes(':') ? IPV6_AND_ICMP_BYTES : IPV4_AND_ICMP_BYTES)

const pingTest = (payloadBytes: number, count: number): PingTest => ({
  kind: 'ping',
  engine: 'fping',
  count,
  intervalSeconds: PROBE_INTERVAL_SECONDS,
  timeoutSeconds: TIMEOUT_SECONDS,
  sizeBytes: payloadBytes,
  dontFragment: true,
  ttl: undefined,
  tos: undefined,
})

/**
 * Measures the largest IP packet that passes to an address and whose answer returns, with the don't-fragment flag. It is a
 * binary search of about 12 pings; each takes 0.1 to 0.4 s. Returns undefined when packets of all sizes pass, when none
 * does, after an abort, and when the answers contradict each other.
 */
export const sweepSizes = async (
  connection: Pick<AgentConnection, 'ping'>,
  { node, interface: name, address, mtuBytes }: SizeSweep,
  signal: AbortSignal,
): Promise<number | undefined> => {
  const passes = async (payloadBytes: number, count = PROBES): Promise<boolean> => {
    if (signal.aborted) return false
    const group = { node, interface: name, targets: [{ address }] }
    const seconds = count * PROBE_INTERVAL_SECONDS + TIMEOUT_SECONDS
    const [result] = await measurePings(connection, group, pingTest(payloadBytes, count), seconds, signal)
    return result?.outcome === Outcome.OUTCOME_MEASURED && (result.statistics?.receivedCount ?? 0) > 0
  }
  let passing = SMALL_PAYLOAD_BYTES
  let failing = mtuBytes - packetBytesOf(0, address)
  if (failing <= passing) return undefined
  if (!(await passes(passing)) || (await passes(failing))) return undefined
  while (failing - passing > 1) {
    const middle = Math.floor((passing + failing) / 2)
    if (await passes(middle)) passing = middle
    else failing = middle
  }
  const isConfirmed =
    (await passes(passing, CONFIRMING_PROBES)) && !(await passes(failing, CONFIRMING_PROBES))
  return isConfirmed && !signal.aborted ? packetBytesOf(passing, address) : undefined
}
