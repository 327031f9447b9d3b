/** Turns a profile into runs. Pure. */

import type { z } from 'zod'
import { Direction, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { IpFamily } from '#proto/meshgauge/agent/v1/types.ts'
import type { Expectation } from '#proto/meshgauge/collector/v1/result.ts'
import { Caps, Topology } from '#proto/meshgauge/collector/v1/run.ts'
import { EXPECTATION_NAMES } from '../../lib/expectations.ts'
import { appliesTo, kindOf } from '../diagnosis/expectations.ts'
import { createIperfTest, createPingTest, createRunSpec } from '../plan/effective-run-spec.ts'
import type { IperfTest, PingTest, RunSpec, RunTest } from '../plan/run-spec.ts'
import { topologies } from '../topology/registry.ts'
import type { ProfileFile, ProfileTest, runSchema } from './schema.ts'

const DIRECTIONS: Partial<Record<NonNullable<ProfileTest['direction']>, Direction>> = {
  recv: Direction.DIRECTION_REVERSE,
  maerts: Direction.DIRECTION_REVERSE,
  bidir: Direction.DIRECTION_BIDIRECTIONAL,
}

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
  createPingTest({
    engine: test.engine,
    count: test.count,
    intervalSeconds: test.interval,
    timeoutSeconds: test.timeout,
    sizeBytes: test.size,
    dontFragment: test.dont_fragment,
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
  return createIperfTest({
    engine: test.engine ?? (isTransactions ? 'netperf' : undefined),
    durationSeconds: test.duration,
    omitSeconds: test.warmup || undefined,
    intervalSeconds: test.interval,
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
  })
}

/** Returns the expectations that apply to a test. Its own replace those of the profile. */
const expectationsOf = (file: ProfileFile, given: ProfileTest, test: RunTest): Expectation[] =>
  EXPECTATION_NAMES.flatMap((name) => {
    const limit = given.expectations[name] ?? file.expectations[name]
    return limit !== undefined && appliesTo(name, kindOf(test)) ? [{ name, limit }] : []
  })

/** Removes undefined values, so that spreading does not overwrite others with them. */
const withoutAbsent = <T extends object>(settings: T): Partial<T> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>

const specOf = (file: ProfileFile, given: ProfileTest): RunSpec => {
  const isPing = given.test === 'ping'
  const { duration, warmup, interval, ...shared } = file.global
  // A ping has a count, not a duration or a warm-up. Those of `global` are for the other tests.
  const inherited = isPing ? shared : { duration, warmup, interval, ...shared }
  const complete: ProfileTest = { ...withoutAbsent(inherited), ...given }
  const test = isPing ? pingOf(complete) : iperfOf(complete)
  return createRunSpec({
    topology: topologyOf(complete),
    test,
    interfaces: complete.interfaces,
    caps: Caps.fromPartial({
      perNodeCount: complete.node_cap ?? 0,
      perUplinkCount: complete.uplink_cap ?? 0,
      totalCount: complete.total_cap ?? 0,
      exclusiveNodes: complete.exclusive_nodes ?? false,
    }),
    expectations: expectationsOf(file, complete, test),
    profile: file.name,
  })
}

/** Returns the run of a single test outside a profile. */
export const runOf = (test: z.output<typeof runSchema>): RunSpec =>
  specOf(
    { name: '', description: '', version: '', global: {}, tests: [], expectations: {} },
    { ...test, description: '' },
  )

/** One test of a profile. The cooldown follows its run. */
export type ProfileStep = { name: string; spec: RunSpec; cooldownSeconds: number | undefined }

export const stepsOf = (file: ProfileFile): ProfileStep[] =>
  file.tests.map((test) => ({
    name: test.name,
    spec: specOf(file, test),
    cooldownSeconds: test.cooldown ?? file.global.cooldown,
  }))
