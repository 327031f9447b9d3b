/** The options of `run`, `plan` and `schedules add` that define what a run measures. */

import type { Command } from 'commander'
import { ENGINES } from '../../lib/engines.ts'
import { repeated } from './service-options.ts'
import { addTopologyOptions, type TopologyOptions } from './topology-options.ts'

/** The options of `run` and `plan`, as the user typed them. */
export type RunOptions = TopologyOptions & {
  test?: string
  interface?: string
  engine?: string
  label?: string
  nodeCap?: string
  uplinkCap?: string
  totalCap?: string
  exclusiveNodes?: boolean
  duration?: string
  bytes?: string
  omit?: string
  interval?: string
  parallel?: string
  bitrate?: string
  udp?: boolean
  reverse?: boolean
  bidir?: boolean
  length?: string
  window?: string
  mss?: string
  noDelay?: boolean
  congestion?: string
  tos?: string
  dscp?: string
  zerocopy?: boolean
  ipv4?: boolean
  ipv6?: boolean
  clientCpu?: string
  serverCpu?: string
  portRange?: string
  /** True for the option without an interval. */
  sampleHosts?: string | true
  sampleSource?: string
  count?: string
  pingInterval?: string
  timeout?: string
  size?: string
  dontFragment?: boolean
  ttl?: string
  /** True for the option without sizes. */
  rr?: string | true
  expect?: string[]
  allowTraffic?: boolean
}

export const addPairOptions = (command: Command): Command =>
  addTopologyOptions(
    command
      .optionsGroup('Which pairs:')
      .option(
        '--interface <names>',
        'Measure these interfaces, such as net0,net1. Default: all interfaces that tests may use.',
      )
      .option(
        '--nodes <selectors>',
        'Only these nodes: names or labels, such as gpu-[01-16,20],rack=r3. Default: all nodes.',
      ),
  )

const addCapOptions = (command: Command): Command =>
  command
    .optionsGroup('How many tests run at the same time:')
    .option('--node-cap <n>', 'Tests that a node sends, and tests that it receives. Default 1.')
    .option('--uplink-cap <n>', 'Flows that leave a rack, and flows that enter it. Default: unlimited.')
    .option('--total-cap <n>', 'Tests in total. Default: unlimited.')
    .option('--exclusive-nodes', 'A node takes part in one test at a time, as sender or receiver.')
    .option(
      '--allow-traffic',
      'Also measure interfaces that carry sustained traffic ("meshgauge traffic"). Default: refuse the run.',
    )

const addIperfOptions = (command: Command): Command =>
  command
    .optionsGroup('Options of --test iperf, named as in iperf3:')
    .option('-t, --duration <time>', 'Duration of each test. Default 10s.')
    .option('-n, --bytes <size>', 'Bytes to send, instead of a duration.')
    .option('-O, --omit <time>', 'Warm-up before the measured part. It is not counted. Default 0s.')
    .option('-i, --interval <time>', 'Time between two samples, or between two pings of a pair. Default 1s.')
    .option('-P, --parallel <n>', 'Parallel streams of each test, 1 to 128. Default 1.')
    .option(
      '-b, --bitrate <rate>',
      'Target bitrate of each stream, such as 10G. Default: unlimited for TCP, 1M for UDP.',
    )
    .option('-u, --udp', 'Send UDP instead of TCP.')
    .option(
      '--rr [sizes]',
      'Measure transactions instead of a stream, with netperf. Sizes of request and response in bytes, such as 64,1K. Default 1,1.',
    )
    .option('-R, --reverse', 'The server sends and the client receives.')
    .option(
      '--bidir',
      'Send in both directions at the same time. Each node then takes part in one test at a time.',
    )
    .option('-l, --length <size>', 'Size of the read and write buffer, or of a UDP datagram, in bytes.')
    .option('-w, --window <size>', 'Size of the socket buffer in bytes.')
    .option('-M, --mss <bytes>', 'TCP maximum segment size.')
    .option('-N, --no-delay', "Disable Nagle's algorithm.")
    .option('-C, --congestion <name>', 'TCP congestion control algorithm, such as cubic or bbr.')
    .option('-S, --tos <n>', 'IP type-of-service byte, 0 to 255. Also applies to pings.')
    .option('--dscp <n>', 'IP DSCP, 0 to 63.')
    .option('-Z, --zerocopy', 'Send with sendfile.')
    .option('-4, --ipv4', 'Use IPv4 only.')
    .option('-6, --ipv6', 'Use IPv6 only.')
    .option('--client-cpu <core>', 'Pin each client to this CPU core.')
    .option('--server-cpu <core>', 'Pin each server to this CPU core.')
    .option(
      '--port-range <first-last>',
      "Ports for the servers, within the agents' range. Default: all of the range.",
    )
    .option(
      '--sample-hosts [interval]',
      'Sample CPUs, memory, interfaces and TCP of both hosts during each test. Interval at least 100ms. Default 1s.',
    )
    .option(
      '--sample-source <name>',
      'proc, or pcp to record with Performance Co-Pilot in addition. Default proc.',
    )

const addPingOptions = (command: Command): Command =>
  command
    .optionsGroup('Options of --test ping:')
    .option('--ping-interval <time>', 'Time between two probes of a pair, as --interval. Default 1s.')
    .option('--timeout <time>', 'How long to wait for an answer. Default 1s.')
    .option('--size <bytes>', 'Size of the payload. Default 56.')
    .option('--dont-fragment', "Set the don't-fragment flag. A path with a smaller MTU then shows as loss.")
    .option('--ttl <n>', 'IP time to live, 1 to 255.')

/** Adds the number of probes. Not part of addRunOptions, because --count of `plan` is the number of nodes. */
export const addProbeCount = (command: Command): Command =>
  command.optionsGroup('Options of --test ping:').option('--count <n>', 'Probes per pair. Default 10.')

/**
 * Adds the options that define what a run measures.
 * @param testDefault the sentence about the default of --test, or nothing where the option is required
 */
export const addRunOptions = (command: Command, testDefault: string): Command => {
  command
    .optionsGroup('What to measure:')
    .option('--test <name>', `ping (loss and round-trip time) or iperf (throughput).${testDefault}`)
    .option(
      '--engine <name>',
      `The program that measures. ping: ${ENGINES.ping.join(', ')}. iperf: ${ENGINES.iperf.join(', ')}. Default: the first one.`,
    )
    .option('--label <text>', 'Your own label for the run.')
    .option(
      '--expect <name=limit>',
      'A limit that every pair must meet, such as throughput_min=9G or p99_latency_max=50us. Repeatable.',
      repeated,
    )
  return addPingOptions(addIperfOptions(addCapOptions(addPairOptions(command))))
}
