/** What netperf requires of a request: all violations at once. */

import { Direction, type Flow, type IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import { readNetperfArguments } from '../../../lib/netperf-arguments.ts'
import type { Violation } from '../engine.ts'
import {
  flowRules,
  MAX_CPU,
  MAX_DURATION_SECONDS,
  MAX_OMIT_SECONDS,
  type Rule,
  violationsOf,
  within,
} from '../iperf-request.ts'
import { planNetperf } from './args.ts'

const MAX_INTERVAL_SECONDS = 60
/** A datagram's most; streams and transactions may have more, but no buffer is larger on either end. */
const MAX_DATAGRAM_BYTES = 65_507
const MAX_BUFFER_BYTES = 512 * 1024 * 1024
const MAX_MSS_BYTES = 9 * 1024

const timeRules = (options: IperfOptions): Rule[] => {
  const { durationSeconds, omitSeconds, intervalSeconds, kind } = planNetperf(options)
  const whole = 'netperf counts whole seconds'
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
    ['options.bytes', options.bytes === undefined || kind === 'stream', 'has no meaning for transactions'],
    ['options.omit', Number.isInteger(omitSeconds), whole],
    ['options.omit', within(omitSeconds, 0, MAX_OMIT_SECONDS), `must be 0 to ${MAX_OMIT_SECONDS} s`],
    [
      'options.interval',
      within(intervalSeconds, 0.1, MAX_INTERVAL_SECONDS),
      `must be 0.1 to ${MAX_INTERVAL_SECONDS} s`,
    ],
  ]
}

/** What iperf3 has and netperf does not. */
const absentRules = (options: IperfOptions): Rule[] => {
  const { udp, reverse, kind } = planNetperf(options)
  return [
    ['options.parallel_count', (options.parallelCount ?? 1) === 1, 'must be 1: netperf has one stream'],
    ['options.bits_per_second', !options.bitsPerSecond, 'is not for netperf, which sends as fast as it can'],
    ['options.zerocopy', !options.zerocopy, 'is not for netperf'],
    [
      'options.direction',
      options.direction !== Direction.DIRECTION_BIDIRECTIONAL,
      'cannot be bidirectional: netperf sends one way',
    ],
    [
      'options.direction',
      !(reverse && udp),
      'cannot be reverse for UDP: netperf would not route the answers',
    ],
    ['options.direction', !(reverse && kind === 'transactions'), 'has no meaning for transactions'],
  ]
}

const packetRules = (options: IperfOptions): Rule[] => {
  const { udp, kind, congestion } = planNetperf(options)
  const largest = udp ? MAX_DATAGRAM_BYTES : MAX_BUFFER_BYTES
  const { requestBytes, responseBytes } = options.requestResponse ?? {}
  const tcpOnly = 'is for TCP only'
  return [
    [
      'options.length_bytes',
      kind === 'stream' || options.lengthBytes === undefined,
      'is for streams; transactions have request_response',
    ],
    ['options.length_bytes', within(options.lengthBytes, 1, largest), `must be 1 to ${largest}`],
    ['options.request_response.request_bytes', within(requestBytes, 1, largest), `must be 1 to ${largest}`],
    ['options.request_response.response_bytes', within(responseBytes, 1, largest), `must be 1 to ${largest}`],
    [
      'options.window_bytes',
      within(options.windowBytes, 1, MAX_BUFFER_BYTES),
      `must be 1 to ${MAX_BUFFER_BYTES}`,
    ],
    ['options.mss_bytes', within(options.mssBytes, 88, MAX_MSS_BYTES), `must be 88 to ${MAX_MSS_BYTES}`],
    ['options.mss_bytes', !(udp && options.mssBytes !== undefined), tcpOnly],
    ['options.no_delay', !(udp && options.noDelay), tcpOnly],
    ['options.congestion_control', !(udp && congestion !== ''), tcpOnly],
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
}

/** What has a field of its own, so that everyone who reads the request knows it. */
const FIELDS: Record<string, string> = {
  d: 'options.direction or options.request_response',
  l: 'options.duration or options.bytes',
  r: 'options.request_response',
  t: 'options.protocol and options.request_response',
  T: 'options.protocol',
}

const argumentViolations = (options: IperfOptions): Violation[] => {
  const { found, problems } = readNetperfArguments(options.extraArguments)
  const { kind, udp } = planNetperf(options)
  const at = (index: number) => `options.extra_arguments[${index}]`
  return [
    ...problems.map(({ index, message }) => ({ field: at(index), description: message })),
    ...found.flatMap(({ flag, index }) => {
      if (FIELDS[flag]) return [{ field: at(index), description: `-${flag} is ${FIELDS[flag]}` }]
      const connects = flag === 'c' && (kind !== 'transactions' || udp)
      return connects ? [{ field: at(index), description: '-c is for transactions over TCP' }] : []
    }),
  ]
}

export const validateRun = (flows: readonly Flow[], options: IperfOptions | undefined): Violation[] => [
  ...violationsOf([
    ['flows', flows.length > 0, 'must name at least one flow'],
    ...flows.flatMap((flow, index) => flowRules(flow, index, options?.family ?? 0)),
    ...(options ? [...timeRules(options), ...absentRules(options), ...packetRules(options)] : []),
  ]),
  ...(options ? argumentViolations(options) : []),
]
