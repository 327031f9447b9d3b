/** A PingRequest with its defaults, and the requirements that all ping engines have in common. */

import { isIP } from 'node:net'
import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Violation } from '../../lib/errors.ts'
import { canonicalAddress, chooseAddressPair, parseIpPrefix } from '../../lib/ip-address.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { PING_DEFAULTS } from '../../lib/test-defaults.ts'
import type { PingSource } from './engine.ts'

export type PingPlan = {
  addresses: string[]
  /** Probes for each target; undefined continues until aborted. */
  count: number | undefined
  intervalSeconds: number
  timeoutSeconds: number
  sizeBytes: number
  dontFragment: boolean
  ttl: number | undefined
  tos: number | undefined
}

export const planPing = (request: PingRequest): PingPlan => ({
  addresses: request.targets.map((target) => target.address),
  count: request.continuous ? undefined : (request.count ?? PING_DEFAULTS.count),
  intervalSeconds: fromDuration(request.interval) ?? PING_DEFAULTS.intervalSeconds,
  timeoutSeconds: fromDuration(request.timeout) ?? PING_DEFAULTS.timeoutSeconds,
  sizeBytes: request.sizeBytes ?? PING_DEFAULTS.sizeBytes,
  dontFragment: request.dontFragment,
  ttl: request.ttl,
  tos: request.tos,
})

/** Returns the source address for a target. See chooseAddressPair. */
export const sourceFor = (address: string, { addresses }: PingSource): string | undefined => {
  const target = parseIpPrefix(address)
  return target && chooseAddressPair(addresses, [target])?.source.address
}

/** A name that the kernel accepts for a device, and that no program can read as an option. */
export const isInterfaceName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}$/.test(name)

/** Limits that differ between engines. */
type PingBounds = {
  minIntervalSeconds: number
  minSizeBytes: number
  maxSizeBytes: number
  maxTargets: number
  /** Whether targets with the same address and different ports are different targets. */
  usesPorts?: boolean
}

/** A longer timeout would delay every verdict about an unreachable target. */
const MAX_TIMEOUT_SECONDS = 60

/** Programs report the address of each answer: the same address twice would give two series that are the same. */
const duplicateTargets = (targets: PingRequest['targets'], usesPorts: boolean): Violation[] => {
  const first = new Map<string, number>()
  return targets.flatMap(({ address, port }, index) => {
    const key = `${canonicalAddress(address)} ${usesPorts ? (port ?? '') : ''}`
    const before = first.get(key)
    if (before === undefined) first.set(key, index)
    return before === undefined
      ? []
      : [{ field: `targets[${index}].address`, description: `${address} is also targets[${before}]` }]
  })
}

export const validatePing = (request: PingRequest, bounds: PingBounds): Violation[] => {
  const plan = planPing(request)
  const { count, intervalSeconds, timeoutSeconds, sizeBytes, ttl, tos } = plan
  const { length } = request.targets
  const rules: [field: string, holds: boolean, description: string][] = [
    ['targets', length > 0, 'must name at least one target'],
    ['targets', length <= bounds.maxTargets, `must be at most ${bounds.maxTargets} for this engine`],
    ...request.targets.flatMap(({ address, port }, index): [string, boolean, string][] => [
      [`targets[${index}].address`, isIP(address) !== 0, `must be an IP address, not "${address}"`],
      [`targets[${index}].port`, port === undefined || (port >= 1 && port <= 65535), 'must be 1 to 65535'],
    ]),
    ['interface', request.interface === '' || isInterfaceName(request.interface), 'is not an interface name'],
    ['count', count === undefined || count >= 1, 'must be at least 1'],
    [
      'interval',
      intervalSeconds >= bounds.minIntervalSeconds && intervalSeconds <= 3600,
      `must be ${bounds.minIntervalSeconds} s to 1 h`,
    ],
    [
      'timeout',
      timeoutSeconds >= 0.001 && timeoutSeconds <= MAX_TIMEOUT_SECONDS,
      `must be 1 ms to ${MAX_TIMEOUT_SECONDS} s`,
    ],
    [
      'size_bytes',
      sizeBytes >= bounds.minSizeBytes && sizeBytes <= bounds.maxSizeBytes,
      `must be ${bounds.minSizeBytes} to ${bounds.maxSizeBytes}`,
    ],
    ['ttl', ttl === undefined || (ttl >= 1 && ttl <= 255), 'must be 1 to 255'],
    ['tos', tos === undefined || tos <= 255, 'must be 0 to 255'],
  ]
  return [
    ...rules.filter(([, holds]) => !holds).map(([field, , description]) => ({ field, description })),
    ...duplicateTargets(request.targets, bounds.usesPorts ?? false),
  ]
}
