/** Which network devices of the host are measured, and their addresses. */

import type { NetworkInterfaceInfo } from 'node:os'

/**
 * Devices of containers and virtual machines, and tunnels between them. Their addresses are the same on many hosts, or
 * exist on one host only.
 */
export const EXCLUDED_INTERFACES = [
  ...['docker*', 'br-*', 'virbr*', 'vnet*', 'veth*', 'cni*', 'flannel*', 'cali*', 'vxlan.calico', 'tunl*'],
  ...['kube-*', 'nodelocaldns', 'lxc*', 'lxd*', 'cilium_*', 'weave', 'podman*', 'ovs-system', 'genev_sys_*'],
  ...['antrea-*', 'dummy*', 'ifb*'],
]

/** Whether a name matches a pattern, in which `*` matches any characters. */
const matches = (name: string, pattern: string): boolean => {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return name === pattern
  if (!name.startsWith(first)) return false
  const last = rest.pop()!
  let position = first.length
  for (const part of rest) {
    position = name.indexOf(part, position)
    if (position < 0) return false
    position += part.length
  }
  return name.length - last.length >= position && name.endsWith(last)
}

export const isExcluded = (name: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => matches(name, pattern))

/** The names of the devices in the text of /proc/net/dev, whose first two lines are a heading. */
export const parseDevices = (text: string): string[] =>
  text
    .split('\n')
    .slice(2)
    .flatMap((line) => /^\s*([^:\s]+):/.exec(line)?.[1] ?? [])

/** Returns the addresses by device. An address with a label, such as net0:1, is one of its device net0. */
export const addressesByDevice = (
  found: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>,
): Map<string, NetworkInterfaceInfo[]> => {
  const byDevice = new Map<string, NetworkInterfaceInfo[]>()
  for (const [name, addresses = []] of Object.entries(found)) {
    const device = name.split(':')[0]!
    byDevice.set(device, [...(byDevice.get(device) ?? []), ...addresses])
  }
  return byDevice
}

/**
 * Remembers the devices that have had an address: one that goes down is still measured, and one that is removed or renamed
 * is not.
 */
export const createDeviceList = (excluded: readonly string[]) => {
  const seen = new Set<string>()
  return {
    /** @param present the devices that exist now; `isPhysical` tells whether one is a network card */
    names: (
      byDevice: ReadonlyMap<string, readonly NetworkInterfaceInfo[]>,
      present: readonly string[],
      isPhysical: (name: string) => boolean,
    ): string[] => {
      const isLoopback = (name: string) => (byDevice.get(name) ?? []).some(({ internal }) => internal)
      for (const name of byDevice.keys()) seen.add(name)
      for (const name of seen) if (!byDevice.has(name) && !present.includes(name)) seen.delete(name)
      const others = present.filter((name) => !seen.has(name) && isPhysical(name))
      return [...seen, ...others].filter((name) => !isLoopback(name) && !isExcluded(name, excluded))
    },
  }
}
