import type { Clock } from '../../../lib/clock.ts'
import type { Violation } from '../../../lib/errors.ts'
import { canonicalAddress, chooseAddressPair, type IpPrefix, parseIpPrefix } from '../../../lib/ip-address.ts'
import type { AdmissionControl, PortLeases } from '../../admission.ts'
import type { Draining } from '../../draining.ts'
import type { DetectedEngines } from '../../engines/detected-engines.ts'
import type { CpuShortage } from '../../host/cpu-shortage.ts'
import type { ReadText } from '../../host/files.ts'
import type { HostSamplingSessions } from '../../host/sampling-session.ts'
import type { Interfaces } from '../../interfaces.ts'
import type { StartPacer } from './start-pacing.ts'
import type { TrafficLabels } from './traffic-labels.ts'

/** What Serve and Run need of the agent. */
export type IperfDeps = {
  clock: Clock
  interfaces: Interfaces
  engines: DetectedEngines
  admission: AdmissionControl
  ports: PortLeases
  draining: Draining
  hostSampling: HostSamplingSessions
  read: ReadText
  cpuShortage: CpuShortage
  trafficLabels: TrafficLabels
  /** Pacing of the servers and of the clients of sustained traffic. */
  pacers: { servers: StartPacer; clients: StartPacer }
}

export type CallerContext = { signal: AbortSignal; peer: string }

/** Where one server or client of a test is bound. Empty values leave the choice to the kernel. */
export type Endpoint = { interface: string; address: string; violations: Violation[] }

/** The address to bind to: the one in the network of the peer. Without a peer, the first IPv4 address. */
const ownAddressFor = (addresses: readonly IpPrefix[], peer: string | undefined): string | undefined => {
  if (peer === undefined) return addresses.find(({ family }) => family === 4)?.address
  const target = parseIpPrefix(peer)
  return target && chooseAddressPair(addresses, [target])?.source.address
}

/**
 * Fills in the interface from the address, and the address from the interface; returns violations where it cannot.
 * @param peer the address at the other end; undefined for a server, which does not know it
 */
export const resolveEndpoint = (
  interfaces: Interfaces,
  name: string,
  address: string,
  peer: string | undefined,
  fieldPrefix: string,
): Endpoint => {
  interfaces.throwIfDown(name)
  const violations: Violation[] = []
  const known = interfaces.list().map((candidate) => candidate.name)
  if (name !== '' && !known.includes(name)) {
    violations.push({
      field: `${fieldPrefix}.interface`,
      description: `"${name}" is not one of ${known.join(', ')}`,
    })
  }
  const family = peer?.includes(':') ? 6 : 4
  const addresses = name === '' ? [] : interfaces.addressesOf(name)
  const resolved = address || ownAddressFor(addresses, peer) || ''
  if (violations.length === 0 && name !== '' && resolved === '') {
    violations.push({ field: `${fieldPrefix}.interface`, description: `${name} has no IPv${family} address` })
  }
  if (
    violations.length === 0 &&
    address !== '' &&
    name !== '' &&
    !addresses.some((own) => own.address === canonicalAddress(address))
  ) {
    violations.push({ field: `${fieldPrefix}.address`, description: `${name} does not have ${address}` })
  }
  return {
    interface: name || (resolved && interfaces.withAddress(resolved)) || '',
    address: resolved,
    violations,
  }
}
