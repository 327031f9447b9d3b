/** How many ICMP echo requests this node has received: the kernel counts them, whoever sent them. */

/** The value under `name` in the lines `prefix: names` and `prefix: values` of /proc/net/snmp (RFC 4293 names). */
const fieldOf = (snmp: string, prefix: string, name: string): number | undefined => {
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith(`${prefix}: `))
    .map((line) => line.split(' '))
  const value = Number(values?.[names?.indexOf(name) ?? -1])
  return Number.isSafeInteger(value) ? value : undefined
}

/**
 * IPv4 and IPv6 together, since the kernel (or the network namespace) came up.
 * @param snmp content of /proc/net/snmp
 * @param snmp6 content of /proc/net/snmp6; undefined without IPv6
 * @returns undefined when the kernel does not say
 */
export const countEchoRequests = (
  snmp: string | undefined,
  snmp6: string | undefined,
): number | undefined => {
  const v4 = snmp === undefined ? undefined : fieldOf(snmp, 'Icmp', 'InEchos')
  if (v4 === undefined) return undefined
  const v6 = /^Icmp6InEchos\s+(\d+)$/m.exec(snmp6 ?? '')?.[1]
  return v4 + Number(v6 ?? 0)
}
