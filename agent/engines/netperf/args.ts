/** The command lines of netperf and netserver. */

import { isIPv6 } from 'node:net'
import { Direction, type Flow, type IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { isOutput, readNetperfArguments, selectorsOf } from '../../../lib/netperf-arguments.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import type { IperfListener } from '../engine.ts'

/** Time to open a connection. netperf itself waits as long as the kernel does, which is minutes. */
export const CONNECT_SECONDS = 3

/** `stream` sends bytes as fast as possible; `transactions` are requests with their responses. */
export type NetperfPlan = {
  kind: 'stream' | 'transactions'
  udp: boolean
  reverse: boolean
  durationSeconds: number
  /** Bytes to send instead of a duration. */
  bytes: number | undefined
  omitSeconds: number
  intervalSeconds: number
  congestion: string
}

export const planNetperf = (options: IperfOptions | undefined): NetperfPlan => ({
  kind: options?.requestResponse ? 'transactions' : 'stream',
  udp: options?.protocol === Protocol.PROTOCOL_UDP,
  reverse: options?.direction === Direction.DIRECTION_REVERSE,
  durationSeconds: fromDuration(options?.duration) ?? IPERF_DEFAULTS.durationSeconds,
  bytes: options?.bytes,
  omitSeconds: fromDuration(options?.omit) ?? 0,
  intervalSeconds: fromDuration(options?.interval) ?? IPERF_DEFAULTS.intervalSeconds,
  congestion: options?.congestionControl ?? '',
})

/** Where both connections are TCP, the data connection uses the port after that of the control connection. */
export const PORTS_PER_SERVER = 2
const dataPort = (controlPort: number, { udp }: NetperfPlan): number => (udp ? controlPort : controlPort + 1)

const ALWAYS = [
  'THROUGHPUT',
  'THROUGHPUT_UNITS',
  'ELAPSED_TIME',
  'LOCAL_CPU_UTIL',
  'LOCAL_CPU_COUNT',
  'REMOTE_CPU_UTIL',
  'REMOTE_CPU_COUNT',
  'LOCAL_TRANSPORT_RETRANS',
  'REMOTE_TRANSPORT_RETRANS',
  'TRANSPORT_MSS',
  'LOCAL_CONG_CONTROL',
]

/** Latencies cost a reading of the clock for each send, so only a test of transactions requests them. */
const OF_KIND: Record<NetperfPlan['kind'], readonly string[]> = {
  stream: [
    'LOCAL_BYTES_SENT',
    'LOCAL_BYTES_RECVD',
    'REMOTE_BYTES_SENT',
    'REMOTE_BYTES_RECVD',
    'LOCAL_SEND_THROUGHPUT',
    'LOCAL_RECV_THROUGHPUT',
    'REMOTE_SEND_THROUGHPUT',
    'REMOTE_RECV_THROUGHPUT',
  ],
  transactions: [
    'TRANSACTION_RATE',
    'MIN_LATENCY',
    'MEAN_LATENCY',
    'P50_LATENCY',
    'P90_LATENCY',
    'P99_LATENCY',
    'MAX_LATENCY',
    'STDDEV_LATENCY',
  ],
}

const testName = ({ kind, udp, reverse }: NetperfPlan, connects: boolean): string => {
  if (kind === 'transactions') return udp ? 'UDP_RR' : connects ? 'TCP_CRR' : 'TCP_RR'
  return udp ? 'UDP_STREAM' : reverse ? 'TCP_MAERTS' : 'TCP_STREAM'
}

/** An option that is passed only when it has a value. */
const given = (name: string, value: number | string | undefined): string[] =>
  value === undefined || value === '' ? [] : [name, String(value)]

const family = (address: string): string => (isIPv6(address) ? '6' : '4')

const cpus = ({ clientCpu, serverCpu }: Partial<IperfOptions>): string | undefined =>
  clientCpu === undefined && serverCpu === undefined ? undefined : `${clientCpu ?? ''},${serverCpu ?? ''}`

const tosOf = ({ tos, dscp }: Partial<IperfOptions>): string | undefined => {
  const value = tos ?? (dscp === undefined ? undefined : dscp << 2)
  return value === undefined ? undefined : `0x${value.toString(16)},0x${value.toString(16)}`
}

/** The options before `--`, which every test has. */
const globalArgs = (
  flow: Flow,
  options: Partial<IperfOptions>,
  plan: NetperfPlan,
  connects: boolean,
): string[] => [
  ...['-H', `${flow.address},${family(flow.address)}`, '-p', String(flow.port)],
  ...(flow.sourceAddress ? ['-L', `${flow.sourceAddress},${family(flow.sourceAddress)}`] : []),
  ...['-t', testName(plan, connects)],
  ...['-l', String(plan.bytes === undefined ? plan.durationSeconds : -plan.bytes)],
  // No headings; CPU of both endpoints; interim results at fixed times instead of netperf's estimates.
  ...['-P', '0', '-c', '-C', '-D', String(-plan.intervalSeconds)],
  ...given('-T', cpus(options)),
  ...given('-Y', tosOf(options)),
]

export const clientArgs = (flow: Flow, options: IperfOptions | undefined): string[] => {
  const set: Partial<IperfOptions> = options ?? {}
  const plan = planNetperf(options)
  const { found } = readNetperfArguments(set.extraArguments ?? [])
  const passed = found.filter((argument) => !isOutput(argument))
  const { requestResponse, lengthBytes, windowBytes } = set
  const selectors = new Set([...ALWAYS, ...OF_KIND[plan.kind], ...selectorsOf(found)])
  return [
    ...globalArgs(
      flow,
      set,
      plan,
      passed.some(({ flag }) => flag === 'c'),
    ),
    '--',
    ...['-P', `,${dataPort(flow.port, plan)}`],
    ...(requestResponse
      ? [
          '-r',
          `${requestResponse.requestBytes ?? IPERF_DEFAULTS.requestBytes},${requestResponse.responseBytes ?? IPERF_DEFAULTS.responseBytes}`,
        ]
      : []),
    ...(lengthBytes === undefined ? [] : ['-m', `${lengthBytes},${lengthBytes}`]),
    ...(windowBytes === undefined
      ? []
      : ['-s', `${windowBytes},${windowBytes}`, '-S', `${windowBytes},${windowBytes}`]),
    ...given('-G', set.mssBytes),
    ...(set.noDelay ? ['-D'] : []),
    ...given('-K', plan.congestion && `${plan.congestion},${plan.congestion}`),
    // netperf routes datagrams only with -R, and without -e it waits for a lost one until the end of the test.
    ...(plan.udp ? ['-R', '1'] : []),
    ...(plan.udp && plan.kind === 'transactions' ? ['-e', '1'] : []),
    ...passed.flatMap(({ flag, value }) =>
      given(`-${flag}`, value).concat(value === undefined ? [`-${flag}`] : []),
    ),
    ...['-k', [...selectors].join(',')],
  ]
}

/** The same test for the duration of the warm-up, whose result is discarded. */
export const warmUpArgs = (flow: Flow, options: IperfOptions | undefined): string[] => {
  const args = clientArgs(flow, options)
  const length = args.indexOf('-l') + 1
  return args.with(length, String(planNetperf(options).omitSeconds))
}

/** In the foreground (-D), one test at a time (-f), and without the debug files that a client may request (-N). */
export const serverArgs = ({ address, port }: IperfListener): string[] => [
  ...['-D', '-f', '-N', '-L', address, `-${family(address)}`, '-p', String(port)],
]

/**
 * Longest time of a test with its connection phase. netserver continues for 4 s where it waits for connections (TCP_CRR)
 * or datagrams. A test by bytes has no duration: it must reach half of the lowest useful rate.
 */
export const deadlineSeconds = (
  { bytes, durationSeconds }: NetperfPlan,
  maxSeconds = Number.POSITIVE_INFINITY,
): number => {
  const MARGIN_SECONDS = 9
  const SLOWEST_BITS_PER_SECOND = 10_000_000
  const seconds = bytes === undefined ? durationSeconds : (bytes * 8) / SLOWEST_BITS_PER_SECOND
  return Math.min(seconds, maxSeconds) + CONNECT_SECONDS + MARGIN_SECONDS
}
