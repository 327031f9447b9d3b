import type { Interface } from '#proto/meshgauge/agent/v1/agent.ts'
import type { ReadText } from '../../../agent/host/files.ts'
import type { Interfaces } from '../../../agent/interfaces.ts'
import { OperatingError } from '../../../lib/errors.ts'
import { parseIpPrefix } from '../../../lib/ip-address.ts'
import type { Fabric } from './fabric.ts'

/** What can be wrong with an interface that the host itself sees. */
export type HostState = {
  /** Names of interfaces that are down. */
  down: Set<string>
  /** Addresses that the host claims although they are another node's, by interface. */
  foreign: Map<string, string>
}

/** The interfaces of a simulated host. */
export const createSimulatedInterfaces = (fabric: Fabric, node: number, state: HostState): Interfaces => {
  const addressOf = (name: string): string =>
    state.foreign.get(name) ?? fabric.addressOf({ node, interface: fabric.interfaces.indexOf(name) })
  const describe = (name: string): Interface => ({
    name,
    addresses: [`${addressOf(name)}/16`],
    speedBitsPerSecond: 10e9,
    mtuBytes: 9000,
    state: state.down.has(name) ? 'down' : 'up',
    driver: 'simulated',
    driverVersion: '',
    firmwareVersion: '',
    busInfo: '',
    duplex: 'full',
    mac: '',
  })
  const list = () => fabric.interfaces.map(describe)
  const find = (test: (name: string, index: number) => boolean) => fabric.interfaces.find(test)
  return {
    list,
    addressesOf: (name) =>
      fabric.interfaces.includes(name) ? [parseIpPrefix(`${addressOf(name)}/16`)!] : [],
    throwIfDown: (name) => {
      if (state.down.has(name)) throw new OperatingError('INTERFACE_DOWN', `${name} is down`)
    },
    problemOf: (name) => (state.down.has(name) ? `${name} is down` : ''),
    deviceIndexOf: (name) => String(fabric.interfaces.indexOf(name)),
    mayUse: (name) => fabric.interfaces.includes(name),
    withAddress: (address) => find((name) => addressOf(name) === address),
    towards: (address) => find((_, index) => address.startsWith(`10.${index}.`)),
    networks: () => list().flatMap(({ addresses }) => addresses),
  }
}

/** The files of a simulated host: only the kernel's count of ICMP echo requests. */
export const createSimulatedFiles =
  (fabric: Fabric, node: number): ReadText =>
  (path) =>
    path === '/proc/net/snmp' ? `Icmp: InEchos\nIcmp: ${fabric.echoRequests(node)}\n` : undefined
