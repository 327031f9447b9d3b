/** What netperf requires of a request: all violations at once. */

import { Direction, type Flow, type IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { Violation } from '../../../lib/errors.ts'
import { readNetperfArguments } from '../../../lib/netperf-arguments.ts'
import { flowRules, type Rule, socketRules, timeRules, violationsOf, within } from '../iperf-request.ts'
import { planNetperf } from './args.ts'

/** Largest datagram. Streams and transactions may be larger, up to the buffers of both endpoints. */
const MAX_DATAGRAM_BYTES = 65_507
const MAX_BUFFER_BYTES = 512 * 1024 * 1024

/** Options of iperf3 that netperf lacks. */
const absentRules = (options: IperfOptions): Rule[] => {
  const { udp, reverse, kind } = planNetperf(options)
  return [
    ['options.parallel_count', (options.parallelCount ?? 1) === 1, 'must be 1: netperf has one stream'],
    [
      'options.bits_per_second',
      !options.bitsPerSecond,
      'is not for netperf, which sends as fast as possible',
    ],
    ['options.zerocopy', !options.zerocopy, 'is not for netperf'],
    [
      'options.direction',
      options.direction !== Direction.DIRECTION_BIDIRECTIONAL,
      'cannot be bidirectional: netperf sends in one direction',
    ],
    [
      'options.direction',
      !(reverse && udp),
      'cannot be reverse for UDP: netperf would not route the answers',
    ],
    ['options.bytes', options.bytes === undefined || kind === 'stream', 'has no meaning for transactions'],
    ['options.direction', !(reverse && kind === 'transactions'), 'has no meaning for transactions'],
  ]
}

const packetRules = (options: IperfOptions): Rule[] => {
  const { udp, kind, congestion } = planNetperf(options)
  const largest = udp ? MAX_DATAGRAM_BYTES : MAX_BUFFER_BYTES
  const { requestBytes, responseBytes } = options.requestResponse ?? {}
  return [
    [
      'options.length_bytes',
      kind === 'stream' || options.lengthBytes === undefined,
      'is for streams; transactions have request_response',
    ],
    ['options.length_bytes', within(options.lengthBytes, 1, largest), `must be 1 to ${largest}`],
    ['options.request_response.request_bytes', within(requestBytes, 1, largest), `must be 1 to ${largest}`],
    ['options.request_response.response_bytes', within(responseBytes, 1, largest), `must be 1 to ${largest}`],
    ...socketRules(options, { udp, congestion }),
  ]
}

/** Flags that have a field in the request: use the field, because limits and estimates read it. */
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
    ...(options
      ? [
          ...timeRules('netperf', options, planNetperf(options)),
          ...absentRules(options),
          ...packetRules(options),
        ]
      : []),
  ]),
  ...(options ? argumentViolations(options) : []),
]
