/** Requirements on a request that all iperf engines have in common. */

import { isIP, isIPv4, isIPv6 } from 'node:net'
import type { Flow, IperfOptions, ServeRequest } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import type { Violation } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../lib/test-defaults.ts'
import { isInterfaceName } from './ping-request.ts'

export const MAX_DURATION_SECONDS = 86_400
const MAX_OMIT_SECONDS = 600
/** The largest CPU number that the programs accept. */
const MAX_CPU = 1024

const isAddress = (address: string): boolean => isIP(address) !== 0
const sameFamily = (a: string, b: string): boolean => isIPv4(a) === isIPv4(b)

/** A violation unless `holds`. */
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
      'must have the family of address',
    ])
  }
  rules.push(
    [
      `${at}.address`,
      family !== IpFamily.IP_FAMILY_V4 || isIPv4(address),
      'must be IPv4, like options.family',
    ],
    [
      `${at}.address`,
      family !== IpFamily.IP_FAMILY_V6 || isIPv6(address),
      'must be IPv6, like options.family',
    ],
  )
  return rules
}

/** Limits of iperf3, from its source; those of netperf are not larger. */
const MAX_INTERVAL_SECONDS = 60
const MAX_WINDOW_BYTES = 512 * 1024 * 1024
const MAX_MSS_BYTES = 9 * 1024

type Times = { durationSeconds: number; omitSeconds: number; intervalSeconds: number }

/** @param times the values for the program, with defaults */
export const timeRules = (program: string, options: IperfOptions, times: Times): Rule[] => {
  const { durationSeconds, omitSeconds, intervalSeconds } = times
  const whole = `${program} counts whole seconds`
  return [
    [
      'options.duration',
      !(options.duration && options.bytes !== undefined),
      'cannot be given together with bytes',
    ],
    ['options.duration', Number.isInteger(durationSeconds), whole],
    [
      'options.duration',
      within(durationSeconds, 1, MAX_DURATION_SECONDS),
      `must be 1 to ${MAX_DURATION_SECONDS} s`,
    ],
    ['options.bytes', options.bytes === undefined || options.bytes >= 1, 'must be at least 1'],
    ['options.omit', Number.isInteger(omitSeconds), whole],
    ['options.omit', within(omitSeconds, 0, MAX_OMIT_SECONDS), `must be 0 to ${MAX_OMIT_SECONDS} s`],
    [
      'options.interval',
      within(intervalSeconds, 0.1, MAX_INTERVAL_SECONDS),
      `must be 0.1 to ${MAX_INTERVAL_SECONDS} s`,
    ],
  ]
}

/** Rules for sockets, packets and the CPUs of both endpoints. */
export const socketRules = (
  options: IperfOptions,
  { udp, congestion }: { udp: boolean; congestion: string },
): Rule[] => [
  [
    'options.window_bytes',
    within(options.windowBytes, 1, MAX_WINDOW_BYTES),
    `must be 1 to ${MAX_WINDOW_BYTES}`,
  ],
  ['options.mss_bytes', within(options.mssBytes, 88, MAX_MSS_BYTES), `must be 88 to ${MAX_MSS_BYTES}`],
  ['options.mss_bytes', !(udp && options.mssBytes !== undefined), 'is for TCP only'],
  ['options.no_delay', !(udp && options.noDelay), 'is for TCP only'],
  ['options.congestion_control', !(udp && congestion !== ''), 'is for TCP only'],
  [
    'options.congestion_control',
    congestion === '' || /^[a-z0-9_]{1,15}$/.test(congestion),
    'must be the name of an algorithm such as cubic or bbr',
  ],
  ['options.tos', within(options.tos, 0, 255), 'must be 0 to 255'],
  ['options.dscp', within(options.dscp, 0, 63), 'must be 0 to 63'],
  [
    'options.dscp',
    options.dscp === undefined || options.tos === undefined,
    'cannot be given together with tos',
  ],
  ['options.client_cpu', within(options.clientCpu, 0, MAX_CPU), `must be 0 to ${MAX_CPU}`],
  ['options.server_cpu', within(options.serverCpu, 0, MAX_CPU), `must be 0 to ${MAX_CPU}`],
]

export const validateServe = (request: ServeRequest): Violation[] => {
  const { listeners, ports, cpu } = request
  const idleSeconds = fromDuration(request.idleTimeout) ?? IPERF_DEFAULTS.idleTimeoutSeconds
  const durationSeconds = fromDuration(request.duration) ?? IPERF_DEFAULTS.durationSeconds
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
