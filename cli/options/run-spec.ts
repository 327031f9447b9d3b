import { HostSampling, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import { Caps, IperfTest, PingTest, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { ENGINES } from '../../lib/engines.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Problem } from '../command-errors.ts'
import { readExpectations } from './expectation-options.ts'
import { readNetperfFields } from './netperf-fields.ts'
import type { RunOptions } from './run-options.ts'
import { flagOf, MAX_UINT32, readTopology, topologyName } from './topology-options.ts'
import { keysOf, type ValueReader } from './value-reader.ts'

const IPERF_ONLY: readonly (keyof RunOptions)[] = [
  'duration',
  'bytes',
  'omit',
  'parallel',
  'bitrate',
  'udp',
  'reverse',
  'bidir',
  'length',
  'window',
  'mss',
  'noDelay',
  'congestion',
  'dscp',
  'zerocopy',
  'ipv4',
  'ipv6',
  'clientCpu',
  'serverCpu',
  'portRange',
  'sampleHosts',
  'sampleSource',
  'rr',
  'allowTraffic',
]

const PING_ONLY: readonly (keyof RunOptions)[] = [
  'count',
  'pingInterval',
  'timeout',
  'size',
  'dontFragment',
  'ttl',
]

const readCaps = (options: RunOptions, read: ValueReader): Caps =>
  Caps.fromPartial({
    perNodeCount: read.integer('--node-cap', options.nodeCap, 1, 1_000_000) ?? 0,
    perUplinkCount: read.integer('--uplink-cap', options.uplinkCap, 1, 1_000_000) ?? 0,
    totalCount: read.integer('--total-cap', options.totalCap, 1, 1_000_000_000) ?? 0,
    exclusiveNodes: options.exclusiveNodes ?? false,
  })

const refuseBoth = (
  read: ValueReader,
  options: RunOptions,
  one: keyof RunOptions,
  other: keyof RunOptions,
) => {
  if (options[one] && options[other])
    read.refuse(flagOf(one), `cannot be given together with ${flagOf(other)}`)
}

const optionalDuration = (seconds: number | undefined) =>
  seconds === undefined ? undefined : toDuration(seconds)

/** Parses `64` or `64,1K`. Without sizes the engine uses one byte each. */
const readRequestResponse = (sizes: string | true | undefined, read: ValueReader) => {
  if (sizes === undefined) return undefined
  const [request, response = request, ...more] = sizes === true ? [] : sizes.split(',')
  if (more.length > 0) read.refuse('--rr', `"${sizes}" has more than two sizes; write 64,1K`)
  return {
    requestBytes: read.bytes('--rr', request, MAX_UINT32),
    responseBytes: read.bytes('--rr', response, MAX_UINT32),
  }
}

/** The engine. Transactions and arguments after `--` need netperf. */
const engineOf = (
  options: RunOptions,
  isTransactions: boolean,
  words: readonly string[],
  read: ValueReader,
): string => {
  const engine = read.choice('--engine', options.engine, ENGINES.iperf)
  if (engine !== 'iperf3') return engine ?? (isTransactions || words.length > 0 ? 'netperf' : '')
  if (options.rr !== undefined) read.refuse('--rr', 'needs --engine netperf')
  if (words.length > 0) read.refuse('--', 'is for --engine netperf')
  return engine
}

export const readIperf = (options: RunOptions, words: readonly string[], read: ValueReader): IperfTest => {
  refuseBoth(read, options, 'duration', 'bytes')
  refuseBoth(read, options, 'reverse', 'bidir')
  refuseBoth(read, options, 'tos', 'dscp')
  refuseBoth(read, options, 'ipv4', 'ipv6')
  if (options.udp && options.mss !== undefined) read.refuse('--mss', 'does not apply to UDP')
  if (options.udp && options.congestion !== undefined) read.refuse('--congestion', 'does not apply to UDP')
  const direction = options.bidir
    ? Direction.DIRECTION_BIDIRECTIONAL
    : options.reverse
      ? Direction.DIRECTION_REVERSE
      : Direction.DIRECTION_FORWARD
  const passed = readNetperfFields(words, read)
  const requestResponse = readRequestResponse(options.rr, read) ?? passed.requestResponse
  const isTransactions = requestResponse !== undefined
  return IperfTest.fromPartial({
    engine: engineOf(options, isTransactions, words, read),
    ports: read.portRange('--port-range', options.portRange),
    options: IperfOptions.fromPartial({
      duration: optionalDuration(read.seconds('--duration', options.duration)) ?? passed.duration,
      bytes: read.bytes('--bytes', options.bytes) ?? passed.bytes,
      omit: optionalDuration(read.secondsOrZero('--omit', options.omit)),
      interval: optionalDuration(read.seconds('--interval', options.interval)),
      parallelCount: read.integer('--parallel', options.parallel, 1, 128),
      bitsPerSecond: read.bitsPerSecond('--bitrate', options.bitrate),
      protocol: options.udp ? Protocol.PROTOCOL_UDP : (passed.protocol ?? Protocol.PROTOCOL_TCP),
      direction: options.reverse || options.bidir ? direction : (passed.direction ?? direction),
      lengthBytes: read.bytes('--length', options.length, MAX_UINT32),
      windowBytes: read.bytes('--window', options.window, MAX_UINT32),
      mssBytes: read.integer('--mss', options.mss, 88, 65_535),
      noDelay: options.noDelay ?? false,
      congestionControl: options.congestion ?? '',
      tos: read.integer('--tos', options.tos, 0, 255),
      dscp: read.integer('--dscp', options.dscp, 0, 63),
      zerocopy: options.zerocopy ?? false,
      family: options.ipv4
        ? IpFamily.IP_FAMILY_V4
        : options.ipv6
          ? IpFamily.IP_FAMILY_V6
          : IpFamily.IP_FAMILY_UNSPECIFIED,
      clientCpu: read.integer('--client-cpu', options.clientCpu, 0, 4095),
      serverCpu: read.integer('--server-cpu', options.serverCpu, 0, 4095),
      requestResponse,
      extraArguments: passed.extraArguments ?? [],
    }),
  })
}

const readPing = (options: RunOptions, read: ValueReader): PingTest => {
  refuseBoth(read, options, 'interval', 'pingInterval')
  const interval =
    read.seconds('--ping-interval', options.pingInterval) ?? read.seconds('--interval', options.interval)
  return PingTest.fromPartial({
    engine: read.choice('--engine', options.engine, ENGINES.ping) ?? '',
    count: read.integer('--count', options.count, 1, 1_000_000),
    interval: optionalDuration(interval),
    timeout: optionalDuration(read.seconds('--timeout', options.timeout)),
    sizeBytes: read.bytes('--size', options.size, 65_507),
    dontFragment: options.dontFragment ?? false,
    ttl: read.integer('--ttl', options.ttl, 1, 255),
    tos: read.integer('--tos', options.tos, 0, 255),
  })
}

const SOURCES = { proc: HostSource.HOST_SOURCE_PROC, pcp: HostSource.HOST_SOURCE_PCP } as const

const readSampling = (options: RunOptions, read: ValueReader): HostSampling | undefined => {
  const source = read.choice('--sample-source', options.sampleSource, keysOf(SOURCES))
  const typed = options.sampleHosts === true ? undefined : options.sampleHosts
  const interval = read.seconds('--sample-hosts', typed)
  if (interval !== undefined && interval < 0.1) read.refuse('--sample-hosts', `"${typed}" is below 100ms`)
  if (options.sampleHosts === undefined) {
    if (source) read.refuse('--sample-source', 'needs --sample-hosts')
    return undefined
  }
  return HostSampling.fromPartial({ interval: optionalDuration(interval), source: SOURCES[source ?? 'proc'] })
}

const refuseOptionsOf = (
  owner: string,
  list: readonly (keyof RunOptions)[],
  options: RunOptions,
  read: ValueReader,
) => {
  for (const option of list) {
    if (options[option] === undefined) continue
    const hint = option === 'duration' ? '; a ping test takes --count times --interval' : ''
    read.refuse(flagOf(option), `is an option of --test ${owner}${hint}`)
  }
}

/** The RunSpec for the typed options. It is valid only if no problem was added. */
export const readRunSpec = (
  word: string | undefined,
  options: RunOptions,
  read: ValueReader,
  problems: Problem[],
  words: readonly string[] = [],
): RunSpec => {
  const name = topologyName(word, options, read)
  const test =
    options.test === undefined
      ? read.refuse('--test', 'is missing: give ping or iperf')
      : read.choice('--test', options.test, ['ping', 'iperf'])
  if (test === 'ping' && words.length > 0) read.refuse('--', 'is for --engine netperf, and the test is ping')
  if (test === 'ping') refuseOptionsOf('iperf', IPERF_ONLY, options, read)
  if (test === 'iperf') refuseOptionsOf('ping', PING_ONLY, options, read)
  return RunSpec.fromPartial({
    label: options.label ?? '',
    topology: name
      ? readTopology(name, options, read, problems)
      : { nodes: read.list('--nodes', options.nodes) },
    test:
      test === 'ping'
        ? { $case: 'ping', value: readPing(options, read) }
        : { $case: 'iperf', value: readIperf(options, words, read) },
    interfaces: read.list('--interface', options.interface),
    caps: readCaps(options, read),
    hostSampling: readSampling(options, read),
    expectations: readExpectations(options.expect ?? [], read),
    allowTraffic: options.allowTraffic ?? false,
  })
}
