/** The kernel's count of ICMP echo requests that this node has received from any sender. */

import { plausible } from '../plausibility.ts'

/** Returns the value of `name` in the lines `prefix: names` and `prefix: values` of /proc/net/snmp (RFC 4293). */
const fieldOf = (snmp: string, prefix: string, name: string): number | undefined => {
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith(`${prefix}: `))
    .map((line) => line.split(' '))
  return plausible('kernel.counter', values?.[names?.indexOf(name) ?? -1])
}

/**
 * Returns the count for IPv4 and IPv6 together, since the network namespace was created.
 * @param snmp content of /proc/net/snmp
 * @param snmp6 content of /proc/net/snmp6; undefined without IPv6
 * @returns undefined when the kernel does not count them
 */
export const countEchoRequests = (
  snmp: string | undefined,
  snmp6: string | undefined,
): number | undefined => {
  const v4 = snmp === undefined ? undefined : fieldOf(snmp, 'Icmp', 'InEchos')
  if (v4 === undefined) return undefined
  const v6 = /^Icmp6InEchos\s+(\d+)$/m.exec(snmp6 ?? '')?.[1]
  return v4 + (plausible('kernel.counter', v6) ?? 0)
}
