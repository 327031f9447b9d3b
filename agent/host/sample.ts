/** A sample is the difference of two readings. A value that either of them lacks is absent, never 0. */

import { CpuSample, HostSample, InterfaceSample } from '#proto/meshgauge/agent/v1/host.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import {
  type CpuTicks,
  type LinkCounters,
  parseCpuTicks,
  parseLinks,
  parseMemory,
  parseSnmp,
  parseSnmp6,
} from './counters.ts'
import type { ReadText } from './files.ts'

/** All counters at one moment. */
export type HostReading = {
  time: Date
  monotonicSeconds: number
  cpus: Map<number, CpuTicks>
  links: Map<string, LinkCounters>
  memoryAvailableBytes: number | undefined
  tcpRetransmits: number | undefined
  udpErrors: number | undefined
  udpBufferErrors: number | undefined
}

/** Sum of both families; a kernel without IPv6 has only the first. */
const sum = (first: number | undefined, second: number | undefined): number | undefined =>
  first === undefined ? undefined : first + (second ?? 0)

export const readHost = (read: ReadText, at: Pick<HostReading, 'time' | 'monotonicSeconds'>): HostReading => {
  const snmp = read('/proc/net/snmp') ?? ''
  const snmp6 = read('/proc/net/snmp6') ?? ''
  return {
    ...at,
    cpus: parseCpuTicks(read('/proc/stat') ?? ''),
    links: parseLinks(read('/proc/net/dev') ?? ''),
    memoryAvailableBytes: parseMemory(read('/proc/meminfo') ?? '', 'MemAvailable'),
    // The kernel counts TCP of both families here.
    tcpRetransmits: parseSnmp(snmp, 'Tcp', 'RetransSegs'),
    udpErrors: sum(parseSnmp(snmp, 'Udp', 'InErrors'), parseSnmp6(snmp6, 'Udp6InErrors')),
    udpBufferErrors: sum(parseSnmp(snmp, 'Udp', 'RcvbufErrors'), parseSnmp6(snmp6, 'Udp6RcvbufErrors')),
  }
}

/** With fewer ticks of 10 ms, the kernel's accounting is too coarse for a ratio. */
const MIN_TICKS = 5

/** Single fields may decrease by a tick when the kernel corrects itself. */
const share = (part: number, whole: number): number => Math.min(1, Math.max(0, part / whole))

const cpuSample = (cpu: number, before: CpuTicks, after: CpuTicks): CpuSample[] => {
  const total = after.total - before.total
  if (total < MIN_TICKS) return []
  return [
    CpuSample.fromPartial({
      cpu,
      busyRatio: share(after.busy - before.busy, total),
      softirqRatio: share(after.softirq - before.softirq, total),
      stealRatio: share(after.steal - before.steal, total),
    }),
  ]
}

const linkSample = (name: string, before: LinkCounters, after: LinkCounters): InterfaceSample[] => {
  const names = Object.keys(after) as (keyof LinkCounters)[]
  // The interface was removed and created again: its counters in between are unknown.
  if (names.some((key) => after[key] < before[key])) return []
  const counted = Object.fromEntries(names.map((key) => [key, after[key] - before[key]]))
  return [InterfaceSample.fromPartial({ interface: name, ...counted })]
}

const grown = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined || after < before ? undefined : after - before

/** @param interfaces names of the interfaces that tests may use */
export const sampleBetween = (
  before: HostReading,
  after: HostReading,
  interfaces: readonly string[],
): HostSample =>
  HostSample.fromPartial({
    time: toTimestamp(after.time),
    interval: toDuration(after.monotonicSeconds - before.monotonicSeconds),
    cpus: [...after.cpus].flatMap(([cpu, ticks]) => {
      const old = before.cpus.get(cpu)
      return old ? cpuSample(cpu, old, ticks) : []
    }),
    memoryAvailableBytes: after.memoryAvailableBytes,
    interfaces: interfaces.flatMap((name) => {
      const old = before.links.get(name)
      const link = after.links.get(name)
      return old && link ? linkSample(name, old, link) : []
    }),
    tcpRetransmitCount: grown(before.tcpRetransmits, after.tcpRetransmits),
    udpReceiveErrorCount: grown(before.udpErrors, after.udpErrors),
    udpReceiveBufferErrorCount: grown(before.udpBufferErrors, after.udpBufferErrors),
  })
