import type { Clock } from '../../lib/clock.ts'
import type { Violation } from '../../lib/errors.ts'
import type { AdmissionControl, PortLeases } from '../admission.ts'
import type { Draining } from '../draining.ts'
import type { Detected } from '../engines/detected.ts'
import type { HostSamplingSessions } from '../host/sampling-session.ts'
import type { Interfaces } from '../interfaces.ts'
import type { Sustained } from '../sustained.ts'

/** What both ends of an iperf need of the agent. */
export type IperfDeps = {
  clock: Clock
  interfaces: Interfaces
  engines: Detected
  admission: AdmissionControl
  ports: PortLeases
  draining: Draining
  hostSampling: HostSamplingSessions
  sustained: Sustained
}

export type CallerContext = { signal: AbortSignal; peer: string }

/** The interface and address of one end, filled in from each other, or why that cannot be. */
export const resolveEnd = (
  interfaces: Interfaces,
  name: string,
  address: string,
  family: number,
  fieldPrefix: string,
) => {
  interfaces.throwIfDown(name)
  const violations: Violation[] = []
  const known = interfaces.list().map((candidate) => candidate.name)
  if (name !== '' && !known.includes(name)) {
    violations.push({
      field: `${fieldPrefix}.interface`,
      description: `"${name}" is not one of ${known.join(', ')}`,
    })
  }
  const own = name === '' ? [] : interfaces.addressesOf(name)
  const resolved = address || own.find((candidate) => candidate.includes(':') === (family === 6)) || ''
  if (violations.length === 0 && name !== '' && resolved === '') {
    violations.push({ field: `${fieldPrefix}.interface`, description: `${name} has no IPv${family} address` })
  }
  if (violations.length === 0 && address !== '' && name !== '' && !own.includes(address)) {
    violations.push({ field: `${fieldPrefix}.address`, description: `${name} does not have ${address}` })
  }
  return {
    interface: name || (resolved && interfaces.withAddress(resolved)) || '',
    address: resolved,
    violations,
  }
}
