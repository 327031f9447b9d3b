/** Parses the counters in /proc. Pure; formats from proc(5). */

import { plausible, plausibleIn } from '../plausibility.ts'

/** Time of one core, in ticks of 10 ms. */
export type CpuTicks = { total: number; busy: number; softirq: number; steal: number }

/** /proc/stat, by core number. The total excludes the time of guests, which the kernel also counts as user time. */
export const parseCpuTicks = (text: string): Map<number, CpuTicks> => {
  const cpus = new Map<number, CpuTicks>()
  for (const [, number, rest] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    const ticks = rest!
      .trim()
      .split(/\s+/)
      .map((field) => plausible('kernel.ticks', field) ?? Number.NaN)
    const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0] = ticks
    const busy = user + nice + system + irq + softirq + steal
    const cpu = plausible('kernel.cpu', number)
    if (cpu !== undefined && Number.isFinite(busy))
      cpus.set(cpu, { total: busy + idle + wait, busy, softirq, steal })
  }
  return cpus
}

/** Returns a line of /proc/meminfo in bytes; undefined when the kernel lacks it. */
export const parseMemory = (text: string, name: string): number | undefined => {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)
  return plausibleIn('kernel.memory', match?.[1], 1024)
}

/** /proc/sys/net/ipv4/tcp_wmem: the largest send buffer of a socket in bytes (tcp(7)); undefined when unreadable. */
export const parseSendBuffer = (text: string): number | undefined =>
  plausible('kernel.socket_buffer', text.trim().split(/\s+/)[2])

/** The counters of one interface since it was created. */
export type LinkCounters = {
  receivedBytes: number
  receivedPacketCount: number
  receiveErrorCount: number
  receiveDropCount: number
  sentBytes: number
  sentPacketCount: number
  sendErrorCount: number
  sendDropCount: number
}

/** /proc/net/dev, by name: the interfaces in the network namespace of the reader. */
export const parseLinks = (text: string): Map<string, LinkCounters> => {
  const links = new Map<string, LinkCounters>()
  for (const [, name, rest] of text.matchAll(/^\s*(\S+):\s*(\d.*)$/gm)) {
    const values = rest!
      .trim()
      .split(/\s+/)
      .map((field) => plausible('kernel.counter', field) ?? Number.NaN)
    if (values.length < 16 || values.some(Number.isNaN)) continue
    links.set(name!, {
      receivedBytes: values[0]!,
      receivedPacketCount: values[1]!,
      receiveErrorCount: values[2]!,
      receiveDropCount: values[3]!,
      sentBytes: values[8]!,
      sentPacketCount: values[9]!,
      sendErrorCount: values[10]!,
      sendDropCount: values[11]!,
    })
  }
  return links
}

/** Returns one counter of /proc/net/snmp, where a line of values follows a line of names. */
export const parseSnmp = (text: string, protocol: string, name: string): number | undefined => {
  const lines = text.split('\n').filter((line) => line.startsWith(`${protocol}: `))
  const [names = [], values = []] = lines.map((line) => line.trim().split(/\s+/))
  return plausible('kernel.counter', values[names.indexOf(name)])
}

/** Returns one counter of /proc/net/snmp6, such as Udp6InErrors. */
export const parseSnmp6 = (text: string, name: string): number | undefined => {
  const match = new RegExp(`^${name}\\s+(\\d+)$`, 'm').exec(text)
  return plausible('kernel.counter', match?.[1])
}
