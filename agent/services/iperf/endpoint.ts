import type { Clock } from '../../../lib/clock.ts'
import type { Violation } from '../../../lib/errors.ts'
import type { AdmissionControl, PortLeases } from '../../admission.ts'
import type { Draining } from '../../draining.ts'
import type { DetectedEngines } from '../../engines/detected-engines.ts'
import type { ReadText } from '../../host/files.ts'
import type { HostSamplingSessions } from '../../host/sampling-session.ts'
import type { Interfaces } from '../../interfaces.ts'
import type { SustainedTraffic } from '../../sustained-traffic.ts'

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
  sustainedTraffic: SustainedTraffic
}

export type CallerContext = { signal: AbortSignal; peer: string }

/** Where one server or client of a test is bound. Empty values leave the choice to the kernel. */
export type Endpoint = { interface: string; address: string; violations: Violation[] }

/** Fills in the interface from the address, and the address from the interface; returns violations where it cannot. */
export const resolveEndpoint = (
  interfaces: Interfaces,
  name: string,
  address: string,
  family: number,
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
  const addresses = name === '' ? [] : interfaces.addressesOf(name)
  const resolved = address || addresses.find((candidate) => candidate.includes(':') === (family === 6)) || ''
  if (violations.length === 0 && name !== '' && resolved === '') {
    violations.push({ field: `${fieldPrefix}.interface`, description: `${name} has no IPv${family} address` })
  }
  if (violations.length === 0 && address !== '' && name !== '' && !addresses.includes(address)) {
    violations.push({ field: `${fieldPrefix}.address`, description: `${name} does not have ${address}` })
  }
  return {
    interface: name || (resolved && interfaces.withAddress(resolved)) || '',
    address: resolved,
    violations,
  }
}
