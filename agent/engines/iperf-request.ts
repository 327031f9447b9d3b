/** What every iperf engine requires of a request, whatever its program. */

import { isIP, isIPv4, isIPv6 } from 'node:net'
import type { Flow, ServeRequest } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import type { Violation } from './engine.ts'
import { isInterfaceName } from './ping-request.ts'

export const MAX_DURATION_SECONDS = 86_400
export const MAX_OMIT_SECONDS = 600
/** The largest CPU number that the programs take. */
export const MAX_CPU = 1024

const isAddress = (address: string): boolean => isIP(address) !== 0
const sameFamily = (a: string, b: string): boolean => isIPv4(a) === isIPv4(b)

/** It holds, or it is a violation. */
export type Rule = [field: string, holds: boolean, description: string]

export const violationsOf = (rules: Rule[]): Violation[] =>
  rules.filter(([, holds]) => !holds).map(([field, , description]) => ({ field, description }))

export const within = (value: number | undefined, min: number, max: number): boolean =>
  value === undefined || (value >= min && value <= max)

export const flowRules = (flow: Flow, index: number, family: IpFamily): Rule[] => {
  const at = `flows[${index}]`
  const { address, sourceAddress } = flow
  const rules: Rule[] = [
    [`${at}.address`, isAddress(address), `must be an IP address, not "${address}"`],
    [`${at}.port`, flow.port >= 1 && flow.port <= 65535, 'must be 1 to 65535'],
    [`${at}.interface`, flow.interface === '' || isInterfaceName(flow.interface), 'is not an interface name'],
    [
      `${at}.source_address`,
      sourceAddress === '' || isAddress(sourceAddress),
      `must be an IP address, not "${sourceAddress}"`,
    ],
  ]
  if (!isAddress(address)) return rules
  if (isAddress(sourceAddress)) {
    rules.push([
      `${at}.source_address`,
      sameFamily(address, sourceAddress),
      'must be of the family of address',
    ])
  }
  rules.push(
    [
      `${at}.address`,
      family !== IpFamily.IP_FAMILY_V4 || isIPv4(address),
      'must be IPv4, as options.family says',
    ],
    [
      `${at}.address`,
      family !== IpFamily.IP_FAMILY_V6 || isIPv6(address),
      'must be IPv6, as options.family says',
    ],
  )
  return rules
}

export const validateServe = (request: ServeRequest): Violation[] => {
  const { listeners, ports, cpu } = request
  const idleSeconds = fromDuration(request.idleTimeout) ?? 10
  const durationSeconds = fromDuration(request.duration) ?? 10
  return violationsOf([
    ['listeners', listeners.length > 0, 'must name at least one listener'],
    ...listeners.flatMap((listener, index): Rule[] => {
      const at = `listeners[${index}]`
      const { address, port, interface: device } = listener
      return [
        [at, address !== '' || device !== '', 'must have an address or an interface'],
        [`${at}.address`, address === '' || isAddress(address), `must be an IP address, not "${address}"`],
        [`${at}.interface`, device === '' || isInterfaceName(device), 'is not an interface name'],
        [`${at}.port`, port <= 65535, 'must be 0 to 65535'],
      ]
    }),
    [
      'ports',
      !ports || (ports.first >= 1 && ports.last <= 65535 && ports.first <= ports.last),
      'must be a range within 1 to 65535',
    ],
    ['cpu', within(cpu, 0, MAX_CPU), `must be 0 to ${MAX_CPU}`],
    ['idle_timeout', idleSeconds > 0 && idleSeconds <= 3600, 'must be over 0 s, and at most 1 h'],
    [
      'duration',
      durationSeconds > 0 && durationSeconds <= MAX_DURATION_SECONDS + MAX_OMIT_SECONDS,
      `must be over 0 s, and at most ${MAX_DURATION_SECONDS + MAX_OMIT_SECONDS} s`,
    ],
  ])
}
