/** The command lines of iperf3. */

import { Direction, type Flow, type IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import type { IperfListener } from '../engine.ts'

/** Time to open a connection. iperf3 obeys it for most addresses; the agent's own deadline covers the others. */
export const CONNECT_SECONDS = 3

/** One line of JSON with an interval of 128 streams has 50 kB; the line at their end has 100 kB. */
export const LIMITS = { maxLineBytes: 1024 * 1024 }

/** `json` needs iperf3 3.17; `text` is for older versions. */
export type Mode = 'text' | 'json'

/** The options with their defaults, in seconds. */
export type IperfPlan = {
  durationSeconds: number
  bytes: number | undefined
  omitSeconds: number
  intervalSeconds: number
  parallel: number
  udp: boolean
  direction: Direction
}

export const planIperf = (options: IperfOptions | undefined): IperfPlan => ({
  durationSeconds: fromDuration(options?.duration) ?? IPERF_DEFAULTS.durationSeconds,
  bytes: options?.bytes,
  omitSeconds: fromDuration(options?.omit) ?? 0,
  intervalSeconds: fromDuration(options?.interval) ?? IPERF_DEFAULTS.intervalSeconds,
  parallel: options?.parallelCount ?? IPERF_DEFAULTS.parallelCount,
  udp: options?.protocol === Protocol.PROTOCOL_UDP,
  direction: options?.direction || Direction.DIRECTION_FORWARD,
})

/** An option that is passed only when it has a value. */
const given = (name: string, value: number | string | undefined): string[] =>
  value === undefined || value === '' ? [] : [name, String(value)]

const flag = (name: string, set: boolean | undefined): string[] => (set ? [name] : [])

/** iperf3 pins the server for the client only together with the client itself; otherwise Serve pins the server. */
const affinity = (client: number | undefined, server: number | undefined): string[] => {
  if (client === undefined) return []
  return ['-A', server === undefined ? String(client) : `${client},${server}`]
}

const FAMILY: Partial<Record<IpFamily, string>> = {
  [IpFamily.IP_FAMILY_V4]: '-4',
  [IpFamily.IP_FAMILY_V6]: '-6',
}

/**
 * From 3.17 on, iperf3 detects only at the end of an interval that all bytes are sent, and counts the idle rest of the
 * interval: 50 MB in 3 ms are reported as 0.4 Gbit/s. The shortest interval keeps that error small.
 */
export const BYTES_INTERVAL_SECONDS = 0.1
const clientInterval = ({ bytes, intervalSeconds }: IperfPlan, mode: Mode): number =>
  mode === 'json' && bytes !== undefined ? BYTES_INTERVAL_SECONDS : intervalSeconds

/** Default block sizes of iperf3. */
const DEFAULT_BLOCK_BYTES = { tcp: 128 * 1024, udp: 1460 }
const PACING_FROM_SECONDS = 0.02
/**
 * To keep a bitrate, iperf3 checks each millisecond whether the next block is due, which costs 2 % of a core for two
 * streams of 50 kbit/s. Where a block takes longer, four checks for each block are enough.
 */
const pacing = ({ udp, intervalSeconds }: IperfPlan, options: IperfOptions | undefined): string[] => {
  if (!options?.bitsPerSecond) return []
  const bytes = options.lengthBytes ?? DEFAULT_BLOCK_BYTES[udp ? 'udp' : 'tcp']
  const blockSeconds = Math.min((bytes * 8) / options.bitsPerSecond, intervalSeconds)
  return blockSeconds < PACING_FROM_SECONDS
    ? []
    : ['--pacing-timer', String(Math.round((blockSeconds * 1e6) / 4))]
}

export const clientArgs = (
  flow: Flow,
  options: IperfOptions | undefined,
  mode: Mode,
  connectSeconds = CONNECT_SECONDS,
): string[] => {
  const plan = planIperf(options)
  return [
    ...['-c', flow.address, '-p', String(flow.port), '--forceflush'],
    // Text in kbit/s with all digits; -V adds the CPU time.
    ...(mode === 'json' ? ['--json-stream'] : ['-V', '-f', 'k']),
    ...['--connect-timeout', String(connectSeconds * 1000)],
    ...given('-B', flow.sourceAddress),
    ...given('--bind-dev', flow.interface),
    ...(plan.bytes === undefined ? ['-t', String(plan.durationSeconds)] : ['-n', String(plan.bytes)]),
    ...(plan.omitSeconds > 0 ? ['-O', String(plan.omitSeconds)] : []),
    ...['-i', String(clientInterval(plan, mode)), '-P', String(plan.parallel)],
    ...flag('-u', plan.udp),
    ...flag('-R', plan.direction === Direction.DIRECTION_REVERSE),
    ...flag('--bidir', plan.direction === Direction.DIRECTION_BIDIRECTIONAL),
    ...given('-b', options?.bitsPerSecond),
    ...pacing(plan, options),
    ...given('-l', options?.lengthBytes),
    ...given('-w', options?.windowBytes),
    ...given('-M', options?.mssBytes),
    ...flag('-N', options?.noDelay),
    ...given('-C', options?.congestionControl),
    ...given('-S', options?.tos),
    ...given('--dscp', options?.dscp),
    ...flag('-Z', options?.zerocopy),
    ...flag(FAMILY[options?.family ?? 0] ?? '', FAMILY[options?.family ?? 0] !== undefined),
    ...affinity(options?.clientCpu, options?.serverCpu),
  ]
}

/** A server whose rate is limited reports often, so that the agent ends one that exceeds it early. */
const LIMITED_INTERVAL_SECONDS = 0.1

export const serverInterval = ({ samples }: IperfListener, maxBitsPerSecond = 0): number =>
  samples?.intervalSeconds ?? (maxBitsPerSecond > 0 ? LIMITED_INTERVAL_SECONDS : 1)

/** Blocks that iperf3 may send at once above its rate. */
const BURST_BITS = 4 * 128 * 1024 * 8

/** What iperf3 may move in a second, averaged over that second: a client that keeps the limit is never refused. */
export const serverBitsPerSecond = (maxBitsPerSecond: number): number =>
  Math.ceil(maxBitsPerSecond * 1.1) + BURST_BITS

export const serverArgs = (listener: IperfListener, maxBitsPerSecond = 0): string[] => [
  ...['-s', '-1', '-B', listener.address, '-p', String(listener.port)],
  ...given('--bind-dev', listener.interface),
  // It reports a client only when it flushes its output, once in each interval.
  ...['--forceflush', '-i', String(serverInterval(listener, maxBitsPerSecond))],
  ...['-f', 'k'],
  // Of both directions. A client chooses rate and direction itself, whatever the request of Run said.
  ...(maxBitsPerSecond > 0 ? ['--server-bitrate-limit', `${serverBitsPerSecond(maxBitsPerSecond)}/1`] : []),
  ...given('-A', listener.cpu),
]

/** Time of a program in addition to its test: to connect, to be looked at when it is silent, and to end. */
const MARGIN_SECONDS = 8

/**
 * Longest time of one test, including its connection phase.
 * @param maxSeconds the agent's ceiling, which also bounds a test by bytes
 */
export const deadlineSeconds = (
  plan: IperfPlan,
  bitsPerSecond: number | undefined,
  connectSeconds = CONNECT_SECONDS,
  maxSeconds = Number.POSITIVE_INFINITY,
): number => {
  // A test by bytes has no duration: it must reach half of the requested rate, or 10 Mbit/s when none is given.
  const wanted = bitsPerSecond ? (bitsPerSecond * plan.parallel) / 2 : 10_000_000
  const seconds = plan.bytes === undefined ? plan.durationSeconds : (plan.bytes * 8) / wanted
  const margin = connectSeconds + MARGIN_SECONDS + plan.intervalSeconds
  return Math.min(seconds + plan.omitSeconds, maxSeconds) + margin
}
