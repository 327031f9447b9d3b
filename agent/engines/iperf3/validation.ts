/** What iperf3 requires of a request: all violations at once. */

import type { Flow, IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
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
import { planIperf } from './args.ts'

/** iperf3's own limits, from its source (iperf.h, iperf_api.h). */
const MAX_STREAMS = 128
const MAX_INTERVAL_SECONDS = 60
const MAX_TCP_BLOCK_BYTES = 1024 * 1024
const MAX_UDP_BLOCK_BYTES = 65_507
const MIN_UDP_BLOCK_BYTES = 16
const MAX_WINDOW_BYTES = 512 * 1024 * 1024
const MAX_MSS_BYTES = 9 * 1024

const timeRules = (options: IperfOptions): Rule[] => {
  const { durationSeconds, omitSeconds, intervalSeconds } = planIperf(options)
  const whole = 'iperf3 counts whole seconds'
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

const packetRules = (options: IperfOptions): Rule[] => {
  const { udp } = planIperf(options)
  const minLength = udp ? MIN_UDP_BLOCK_BYTES : 1
  const maxLength = udp ? MAX_UDP_BLOCK_BYTES : MAX_TCP_BLOCK_BYTES
  const congestion = options.congestionControl
  return [
    ['options.parallel_count', within(options.parallelCount, 1, MAX_STREAMS), `must be 1 to ${MAX_STREAMS}`],
    ['options.bits_per_second', (options.bitsPerSecond ?? 0) >= 0, 'must not be negative'],
    [
      'options.length_bytes',
      within(options.lengthBytes, minLength, maxLength),
      `must be ${minLength} to ${maxLength} for ${udp ? 'UDP' : 'TCP'}`,
    ],
    [
      'options.window_bytes',
      within(options.windowBytes, 1, MAX_WINDOW_BYTES),
      `must be 1 to ${MAX_WINDOW_BYTES}`,
    ],
    ['options.mss_bytes', within(options.mssBytes, 88, MAX_MSS_BYTES), `must be 88 to ${MAX_MSS_BYTES}`],
    ['options.mss_bytes', !(udp && options.mssBytes !== undefined), 'is for TCP only'],
    ['options.no_delay', !(udp && options.noDelay), 'is for TCP only'],
    ['options.zerocopy', !(udp && options.zerocopy), 'is for TCP only'],
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
}

const netperfRules = ({ requestResponse, extraArguments }: IperfOptions): Rule[] => [
  ['options.request_response', requestResponse === undefined, 'is for engine netperf'],
  ['options.extra_arguments', extraArguments.length === 0, 'are for engine netperf'],
]

export const validateRun = (flows: readonly Flow[], options: IperfOptions | undefined): Violation[] =>
  violationsOf([
    ['flows', flows.length > 0, 'must name at least one flow'],
    ...flows.flatMap((flow, index) => flowRules(flow, index, options?.family ?? 0)),
    ...(options ? [...timeRules(options), ...packetRules(options), ...netperfRules(options)] : []),
  ])
