/** What iperf3 requires of a request: all violations at once. */

import type { Flow, IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Violation } from '../../../lib/errors.ts'
import { flowRules, type Rule, socketRules, timeRules, violationsOf, within } from '../iperf-request.ts'
import { planIperf } from './args.ts'

/** iperf3's own limits, from its source (iperf.h, iperf_api.h). */
const MAX_STREAMS = 128
const MAX_TCP_BLOCK_BYTES = 1024 * 1024
const MAX_UDP_BLOCK_BYTES = 65_507
const MIN_UDP_BLOCK_BYTES = 16

const packetRules = (options: IperfOptions): Rule[] => {
  const { udp } = planIperf(options)
  const minLength = udp ? MIN_UDP_BLOCK_BYTES : 1
  const maxLength = udp ? MAX_UDP_BLOCK_BYTES : MAX_TCP_BLOCK_BYTES
  return [
    ['options.parallel_count', within(options.parallelCount, 1, MAX_STREAMS), `must be 1 to ${MAX_STREAMS}`],
    ['options.bits_per_second', (options.bitsPerSecond ?? 0) >= 0, 'must not be negative'],
    [
      'options.length_bytes',
      within(options.lengthBytes, minLength, maxLength),
      `must be ${minLength} to ${maxLength} for ${udp ? 'UDP' : 'TCP'}`,
    ],
    ['options.zerocopy', !(udp && options.zerocopy), 'is for TCP only'],
    ...socketRules(options, { udp, congestion: options.congestionControl }),
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
    ...(options
      ? [
          ...timeRules('iperf3', options, planIperf(options)),
          ...packetRules(options),
          ...netperfRules(options),
        ]
      : []),
  ])
