/** Turns a profile into runs. Pure. */

import type { z } from 'zod'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProfileStep } from '#proto/meshgauge/collector/v1/profile.ts'
import type { Expectation } from '#proto/meshgauge/collector/v1/result.ts'
import { Caps, IperfTest, PingTest, RunSpec, Topology } from '#proto/meshgauge/collector/v1/run.ts'
import { EXPECTATION_NAMES } from '../../lib/expectations.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { appliesTo, kindOf } from '../diagnosis/expectations.ts'
import { topologies } from '../topology/registry.ts'
import type { ProfileFile, ProfileTest, runSchema } from './schema.ts'

const DIRECTIONS: Partial<Record<NonNullable<ProfileTest['direction']>, Direction>> = {
  recv: Direction.DIRECTION_REVERSE,
  maerts: Direction.DIRECTION_REVERSE,
  bidir: Direction.DIRECTION_BIDIRECTIONAL,
}

const seconds = (value: number | undefined) => (value === undefined ? undefined : toDuration(value))

const topologyOf = (test: ProfileTest): Topology =>
  Topology.fromPartial({
    kind: topologies[test.topology ?? 'mesh'].kind,
    nodes: test.nodes ?? [],
    clients: test.clients ?? [],
    servers: test.servers ?? [],
    center: test.center ?? '',
    shiftCount: test.shifts ?? 0,
    seed: test.seed ?? 0,
    pairs: (test.pairs ?? []).map((pair) => {
      const [source = '', destination = ''] = pair.split(':')
      return { source, destination }
    }),
  })

const pingOf = (test: ProfileTest): PingTest =>
  PingTest.fromPartial({
    engine: test.engine ?? '',
    count: test.count,
    interval: seconds(test.interval),
    timeout: seconds(test.timeout),
    sizeBytes: test.size,
    dontFragment: test.dont_fragment ?? false,
    ttl: test.ttl,
    tos: test.tos,
  })

/** A burst of n is n concurrent transactions. netperf's -b counts only those after the first. */
const extraArguments = ({ burst = 1, connection, netperf_arguments = [] }: ProfileTest): string[] => [
  ...(burst > 1 ? ['-b', String(burst - 1)] : []),
  ...(connection ? ['-c'] : []),
  ...netperf_arguments,
]

const iperfOf = (test: ProfileTest): IperfTest => {
  const isTransactions = test.direction === 'rr'
  const { request_size: requestBytes, response_size: responseBytes } = test
  return IperfTest.fromPartial({
    engine: test.engine ?? (isTransactions ? 'netperf' : ''),
    options: IperfOptions.fromPartial({
      duration: seconds(test.duration),
      omit: test.warmup ? toDuration(test.warmup) : undefined,
      interval: seconds(test.interval),
      parallelCount: (test.instances ?? 1) > 1 ? test.instances : undefined,
      bitsPerSecond: test.bitrate,
      protocol: test.protocol === 'udp' ? Protocol.PROTOCOL_UDP : Protocol.PROTOCOL_TCP,
      direction: DIRECTIONS[test.direction ?? 'send'] ?? Direction.DIRECTION_FORWARD,
      lengthBytes: test.message_size,
      windowBytes: test.socket_size,
      mssBytes: test.mss,
      noDelay: test.no_delay ?? false,
      congestionControl: test.congestion ?? '',
      tos: test.tos,
      dscp: test.dscp,
      zerocopy: test.zerocopy ?? false,
      family:
        test.family === 6
          ? IpFamily.IP_FAMILY_V6
          : test.family === 4
            ? IpFamily.IP_FAMILY_V4
            : IpFamily.IP_FAMILY_UNSPECIFIED,
      clientCpu: test.client_cpu,
      serverCpu: test.server_cpu,
      requestResponse: isTransactions ? { requestBytes, responseBytes } : undefined,
      extraArguments: extraArguments(test),
    }),
  })
}

/** Returns the expectations that apply to a test. Its own replace those of the profile. */
const expectationsOf = (file: ProfileFile, test: ProfileTest, spec: RunSpec): Expectation[] =>
  EXPECTATION_NAMES.flatMap((name) => {
    const limit = test.expectations[name] ?? file.expectations[name]
    return limit !== undefined && appliesTo(name, kindOf(spec)) ? [{ name, limit }] : []
  })

/** Removes undefined values, so that spreading does not overwrite others with them. */
const withoutAbsent = <T extends object>(settings: T): Partial<T> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>

const specOf = (file: ProfileFile, given: ProfileTest): RunSpec => {
  const isPing = given.test === 'ping'
  const { duration, warmup, interval, ...shared } = file.global
  // A ping has a count, not a duration or a warm-up. Those of `global` are for the other tests.
  const inherited = isPing ? shared : { duration, warmup, interval, ...shared }
  const test: ProfileTest = { ...withoutAbsent(inherited), ...given }
  const spec = RunSpec.fromPartial({
    topology: topologyOf(test),
    test: isPing ? { $case: 'ping', value: pingOf(test) } : { $case: 'iperf', value: iperfOf(test) },
    interfaces: test.interfaces ?? [],
    caps: Caps.fromPartial({
      perNodeCount: test.node_cap ?? 0,
      perUplinkCount: test.uplink_cap ?? 0,
      totalCount: test.total_cap ?? 0,
      exclusiveNodes: test.exclusive_nodes ?? false,
    }),
    profile: file.name,
  })
  return { ...spec, expectations: expectationsOf(file, test, spec) }
}

/** Returns the run of a single test outside a profile. */
export const runOf = (test: z.output<typeof runSchema>): RunSpec =>
  specOf(
    { name: '', description: '', version: '', global: {}, tests: [], expectations: {} },
    { ...test, description: '' },
  )

export const stepsOf = (file: ProfileFile): ProfileStep[] =>
  file.tests.map((test) => ({
    name: test.name,
    spec: specOf(file, test),
    cooldown: seconds(test.cooldown ?? file.global.cooldown),
  }))
