import { readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { basename } from 'node:path'
import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import { OperatingError } from '../lib/errors.ts'
import { canonicalAddress, containsAddress, type IpPrefix, parseIpPrefix } from '../lib/ip-address.ts'
import { addressesByDevice, createDeviceList, isExcluded, parseDevices } from './devices.ts'
import type { AgentOptions } from './options.ts'
import { plausible, plausibleIn } from './plausibility.ts'

/** The interfaces of the node. Each call reads the current state, because links come and go. */
export type Interfaces = {
  list(): Interface[]
  /** Addresses of an interface; empty when there is no such interface. */
  addressesOf(name: string): IpPrefix[]
  /** @throws OperatingError INTERFACE_DOWN when the interface exists and is down */
  throwIfDown(name: string): void
  /** Why nothing can leave by this interface now; empty when it can. Cheap enough to call at every loss. */
  problemOf(name: string): string
  /** The kernel's index of a device, which changes when it is removed and added again; undefined when it is missing. */
  deviceIndexOf(name: string): string | undefined
  /** Whether tests may use an interface of this name, which may be absent now. */
  mayUse(name: string): boolean
  /** The interface that has the address, or undefined. */
  withAddress(address: string): string | undefined
  /** The interface with the smallest network that contains the address, or undefined. */
  towards(address: string): string | undefined
  /** Networks of all interfaces in CIDR form. */
  networks(): string[]
}

const SYS = '/sys/class/net'

/** RFC 2863: down itself, without a carrier, or on top of a device that is down. */
const DOWN_STATES = new Set(['down', 'lowerlayerdown', 'notpresent'])

/** Reads a file of sysfs, which may be missing, or not readable while the link is down. */
const readSys = (name: string, file: string): string | undefined => {
  try {
    return readFileSync(`${SYS}/${name}/${file}`, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Returns the name of the target of a link in sysfs; empty when there is none. */
const linkName = (name: string, link: string): string => {
  try {
    return basename(readlinkSync(`${SYS}/${name}/${link}`))
  } catch {
    return ''
  }
}

const isGlobal = (address: string): boolean => !/^(fe80|169\.254)/i.test(address)

/** @param stated the speed in bit/s to report instead of the kernel's; 0 is unknown */
const describe = (name: string, addresses: string[], mac: string, stated: number | undefined): Interface => {
  // The kernel reports the speed in Mbit/s, and -1, 2^32 - 1 or an error where there is none.
  const speedBitsPerSecond = stated ?? plausibleIn('kernel.speed', readSys(name, 'speed'), 1e6)
  return {
    name,
    addresses,
    speedBitsPerSecond: speedBitsPerSecond || undefined,
    mtuBytes: plausible('kernel.mtu', readSys(name, 'mtu')) ?? 0,
    state: readSys(name, 'operstate') ?? 'unknown',
    driver: linkName(name, 'device/driver'),
    driverVersion: '',
    firmwareVersion: '',
    busInfo: linkName(name, 'device'),
    duplex: readSys(name, 'duplex') ?? '',
    mac,
  }
}

/** Returns whether an address is in any of the networks, which are in CIDR form. */
export const networkMatcher = (cidrs: readonly string[]): ((address: string) => boolean) => {
  const networks = cidrs.flatMap((cidr) => parseIpPrefix(cidr) ?? [])
  return (text) => {
    const address = parseIpPrefix(text)
    return address !== undefined && networks.some((network) => containsAddress(network, address))
  }
}

/** Returns the wanted address if the interface has it. Every address of a loopback network belongs to its interface. */
const asAddress = (cidr: string, wanted: string): string[] => {
  const [own, other] = [parseIpPrefix(cidr), parseIpPrefix(wanted)]
  if (!own || !other) return []
  if (own.address === other.address) return [cidr]
  const isLoopback = own.address.startsWith('127.') && containsAddress(own, other)
  return isLoopback ? [`${wanted}/${own.prefixLength}`] : []
}

/** The names of the devices that exist now. A container may see the sysfs of its host, but never its /proc/net/dev. */
const presentDevices = (): string[] => {
  try {
    return parseDevices(readFileSync('/proc/net/dev', 'utf8'))
  } catch {
    return []
  }
}

export const createInterfaces = (
  options: Pick<AgentOptions, 'interfaces' | 'excludeInterfaces' | 'speeds'>,
): Interfaces => {
  const devices = createDeviceList(options.excludeInterfaces)
  const wanted = new Map(options.interfaces.map(({ name, address }) => [name, address]))
  const list = (): Interface[] => {
    const found = addressesByDevice(networkInterfaces())
    const isPhysical = (name: string) => linkName(name, 'device') !== ''
    const names = wanted.size > 0 ? [...wanted.keys()] : devices.names(found, presentDevices(), isPhysical)
    return names.map((name) => {
      const entries = found.get(name) ?? []
      const only = wanted.get(name)
      const all = entries
        .filter(({ address }) => isGlobal(address))
        .sort((a, b) => a.family.localeCompare(b.family))
        .map(({ cidr, address }) => cidr ?? address)
      const addresses = only === undefined ? all : all.flatMap((cidr) => asAddress(cidr, only))
      const mac = entries[0]?.mac ?? readSys(name, 'address') ?? ''
      return describe(name, addresses, mac, options.speeds[name])
    })
  }
  const prefixesOf = ({ addresses }: Interface) => addresses.flatMap((cidr) => parseIpPrefix(cidr) ?? [])
  return {
    list,
    addressesOf: (name) =>
      list()
        .filter((candidate) => candidate.name === name)
        .flatMap(prefixesOf),
    throwIfDown: (name) => {
      const link = list().find((candidate) => candidate.name === name)
      if (link?.state === 'down') throw new OperatingError('INTERFACE_DOWN', `${name} is down`)
    },
    problemOf: (name) => {
      const state = readSys(name, 'operstate')
      if (state === undefined) return `there is no interface ${name}`
      return DOWN_STATES.has(state) ? `${name} is down` : ''
    },
    deviceIndexOf: (name) => readSys(name, 'ifindex'),
    mayUse: (name) => (wanted.size > 0 ? wanted.has(name) : !isExcluded(name, options.excludeInterfaces)),
    withAddress: (text) => {
      const address = canonicalAddress(text)
      return list().find((link) => prefixesOf(link).some((prefix) => prefix.address === address))?.name
    },
    towards: (text) => {
      const address = parseIpPrefix(text)
      if (!address) return undefined
      const prefixes = list().flatMap((link) =>
        prefixesOf(link).map((prefix) => ({ name: link.name, prefix })),
      )
      return prefixes
        .filter(({ prefix }) => containsAddress(prefix, address))
        .sort((a, b) => b.prefix.prefixLength - a.prefix.prefixLength)[0]?.name
    },
    networks: () => list().flatMap(({ addresses }) => addresses),
  }
}
