/** Parses files and programs that describe a machine. Pure. */

import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { plausible } from '../plausibility.ts'

/** Returns the first `name : value` of a file such as /proc/cpuinfo. */
const fieldOf = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}\\s*:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim() || undefined

/** Returns PRETTY_NAME of os-release(5); empty where it is missing. */
export const parseOperatingSystem = (text: string): string => {
  const match = /^PRETTY_NAME=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))$/m.exec(text)
  return match?.[1] ?? match?.[2] ?? match?.[3] ?? ''
}

/** ARM kernels report numbers only. These are server cores, from their technical reference manuals (MIDR_EL1). */
const ARM_CORES: Record<string, string> = {
  '0x41 0xd08': 'ARM Cortex-A72',
  '0x41 0xd0c': 'ARM Neoverse-N1',
  '0x41 0xd40': 'ARM Neoverse-V1',
  '0x41 0xd49': 'ARM Neoverse-N2',
  '0x41 0xd4f': 'ARM Neoverse-V2',
  '0xc0 0xac3': 'Ampere-1',
  '0xc0 0xac4': 'Ampere-1a',
}

const cpuModel = (text: string): string => {
  const named = fieldOf(text, 'model name') ?? fieldOf(text, 'cpu') ?? fieldOf(text, 'uarch')
  if (named) return named
  const [implementer, part] = [fieldOf(text, 'CPU implementer'), fieldOf(text, 'CPU part')]
  if (!implementer || !part) return ''
  return ARM_CORES[`${implementer} ${part}`] ?? `implementer ${implementer} part ${part}`
}

/** Parses /proc/cpuinfo of any architecture; missing values are empty. */
export const parseCpu = (text: string): { model: string; vendor: string } => ({
  model: cpuModel(text),
  vendor: fieldOf(text, 'vendor_id') ?? '',
})

/** The position of one thread of a CPU, from /sys/devices/system/cpu/cpu<n>/topology. */
export type ThreadPlace = { socket: string; core: string }

/** Parses /proc/cpuinfo of x86, for kernels and sandboxes that hide the topology in /sys. */
export const parsePlaces = (text: string): ThreadPlace[] =>
  text.split(/\n\s*\n/).flatMap((block) => {
    const [socket, core] = [fieldOf(block, 'physical id'), fieldOf(block, 'core id')]
    return socket && core ? [{ socket, core }] : []
  })

export type CpuCounts = { sockets: number; coresPerSocket: number; threadsPerCore: number }

/** Counts sockets, cores and threads; the rounded mean for cores of several kinds, 0 when nothing is known. */
export const countCpus = (threads: readonly ThreadPlace[]): CpuCounts => {
  const sockets = new Set(threads.map(({ socket }) => socket)).size
  const cores = new Set(threads.map(({ socket, core }) => `${socket} ${core}`)).size
  if (cores === 0) return { sockets: 0, coresPerSocket: 0, threadsPerCore: 0 }
  return {
    sockets,
    coresPerSocket: Math.round(cores / sockets),
    threadsPerCore: Math.round(threads.length / cores),
  }
}

/** Expands a list such as `0-3,8` of /sys/devices/system/cpu/present to its numbers. */
export const parseCpuList = (text: string): number[] =>
  text
    .trim()
    .split(',')
    .flatMap((part) => {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part)
      if (!match) return []
      const first = plausible('kernel.cpu', match[1])
      const last = plausible('kernel.cpu', match[2] ?? match[1])
      if (first === undefined || last === undefined || last < first) return []
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })

/** Returns the seconds since boot, the first number of /proc/uptime. */
export const parseUptime = (text: string): number | undefined =>
  plausible('kernel.uptime', text.trim().split(/\s/)[0])

/**
 * Returns the full name of a host: its own name when that has a domain, else the name in /etc/hosts, else its NIS domain.
 * No name server is queried, because one that hangs would delay the answer.
 */
export const fullName = (hostname: string, hosts: string, domain: string): string => {
  if (hostname.includes('.')) return hostname
  for (const line of hosts.split('\n')) {
    const [, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!names.includes(hostname)) continue
    const full = names.find((name) => name.startsWith(`${hostname}.`))
    if (full) return full
  }
  return /^[\w-]+(\.[\w-]+)+$/.test(domain.trim()) ? `${hostname}.${domain.trim()}` : hostname
}

export type DriverInfo = Pick<Interface, 'driverVersion' | 'firmwareVersion'> & {
  busInfo: string
  driver: string
}

/** Parses `ethtool -i`. Drivers print N/A for an unknown value. */
export const parseEthtool = (text: string): DriverInfo => {
  const driverField = (name: string): string => {
    const value = fieldOf(text, name) ?? ''
    return /^n\/a$/i.test(value) ? '' : value
  }
  return {
    driver: driverField('driver'),
    driverVersion: driverField('version'),
    firmwareVersion: driverField('firmware-version'),
    busInfo: driverField('bus-info'),
  }
}

/**
 * Parses `nvidia-smi --query-gpu=index,name --format=csv,noheader`: one line for each GPU. Errors and warnings are printed
 * on the same stream.
 */
export const parseGpus = (text: string): { model: string; count: number } => {
  const names = Array.from(text.matchAll(/^\s*\d+, *(.*\S)\s*$/gm), ([, name]) => name!)
  return { model: names[0] ?? '', count: names.length }
}
