import type { Command } from 'commander'
import { repeated } from './service.ts'

/** The options of `run` and `plan` as they were typed; absent ones were not. */
export type RunOptions = {
  test?: string
  interface?: string
  nodes?: string
  matrix?: string[]
  clients?: string
  servers?: string
  center?: string
  shifts?: string
  seed?: string
  pairs?: string
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
  /** True when it was given without an interval. */
  sampleHosts?: string | true
  sampleSource?: string
  count?: string
  pingInterval?: string
  timeout?: string
  size?: string
  dontFragment?: boolean
  ttl?: string
  rr?: string | true
  expect?: string[]
  besideTraffic?: boolean
}

export const addPairOptions = (command: Command): Command =>
  command
    .optionsGroup('Which pairs:')
    .option(
      '--interface <names>',
      'measure these interfaces, such as net0,net1 (default: all that tests use)',
    )
    .option('--nodes <selectors>', 'only these nodes: names or labels, such as gpu-01,rack=r3 (default: all)')
    .option(
      '--matrix <files...>',
      'matrix from two text lists, clients then servers: an address a line, # comments',
    )
    .option('--clients <selectors>', 'matrix: who sends; names, labels or addresses')
    .option('--servers <selectors>', 'matrix: who receives')
    .option('--center <node>', 'star: the node in the middle')
    .option('--shifts <k>', 'shifts: to how many others each node sends (default: 7)')
    .option('--seed <n>', 'shifts: repeat the random choice of an earlier run')
    .option('--pairs <list>', 'pairs: a:b,c:d, or a file with one pair a line')

const addCapOptions = (command: Command): Command =>
  command
    .optionsGroup('What may run at the same moment:')
    .option('--node-cap <n>', 'tests that a node sends, and that it receives (default: 1)')
    .option('--uplink-cap <n>', 'flows that leave a rack, and that enter it (default: unlimited)')
    .option('--total-cap <n>', 'tests in all (default: unlimited)')
    .option('--exclusive-nodes', 'a node is in one test at a time, sending or receiving')
    .option(
      '--beside-traffic',
      'measure also where sustained traffic goes on ("meshgauge traffic"), beside it',
    )

const addIperfOptions = (command: Command): Command =>
  command
    .optionsGroup('iperf, as iperf3 has them:')
    .option('-t, --duration <time>', 'length of each test (default: 10s)')
    .option('-n, --bytes <size>', 'bytes to send instead of a length of time')
    .option('-O, --omit <time>', 'warm-up before the measured part, not counted')
    .option('-i, --interval <time>', 'time between two samples, or between two pings (default: 1s)')
    .option('-P, --parallel <n>', 'parallel streams of each test, 1 to 128 (default: 1)')
    .option(
      '-b, --bitrate <rate>',
      'target bitrate of each stream, such as 10G (default: unlimited; UDP: 1M)',
    )
    .option('-u, --udp', 'UDP instead of TCP')
    .option(
      '--rr [sizes]',
      'requests and responses of so many bytes, such as 64,1K, instead of a stream (default: 1,1; engine netperf)',
    )
    .option('-R, --reverse', 'the server sends')
    .option('--bidir', 'both ways at once; gives each node one test at a time')
    .option('-l, --length <size>', 'read and write buffer, or UDP datagram')
    .option('-w, --window <size>', 'socket buffer')
    .option('-M, --mss <bytes>', 'TCP maximum segment size')
    .option('-N, --no-delay', "disable Nagle's algorithm")
    .option('-C, --congestion <name>', 'TCP congestion control, such as cubic or bbr')
    .option('-S, --tos <n>', 'IP type-of-service byte, 0 to 255; for pings too')
    .option('--dscp <n>', 'IP DSCP, 0 to 63')
    .option('-Z, --zerocopy', 'send with sendfile')
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--client-cpu <core>', 'CPU core to pin each client to')
    .option('--server-cpu <core>', 'CPU core to pin each server to')
    .option(
      '--port-range <first-last>',
      "ports for the servers, within the agents' own (default: all of theirs)",
    )
    .option(
      '--sample-hosts [interval]',
      'sample CPUs, memory, interfaces and TCP of both hosts while they measure (default: each 1s)',
    )
    .option(
      '--sample-source <name>',
      'proc, or pcp for what Performance Co-Pilot records besides (default: proc)',
    )

const addPingOptions = (command: Command): Command =>
  command
    .optionsGroup('ping:')
    .option('--ping-interval <time>', 'time between two probes of a pair, as --interval (default: 1s)')
    .option('--timeout <time>', 'how long an answer is waited for (default: 1s)')
    .option('--size <bytes>', 'payload (default: 56)')
    .option('--dont-fragment', "set the don't-fragment flag, so that a too small MTU shows as loss")
    .option('--ttl <n>', 'IP time to live, 1 to 255')

/** `plan` has a --count of its own. */
export const addProbeCount = (command: Command): Command =>
  command.optionsGroup('ping:').option('--count <n>', 'probes per pair (default: 10)')

/** The options that say what a run measures. */
export const addRunOptions = (command: Command, testDefault: string): Command => {
  command
    .optionsGroup('What to measure:')
    .option('--test <name>', `ping (loss, round-trip time) or iperf (throughput)${testDefault}`)
    .option('--engine <name>', 'the program that measures: fping, ping, tcp; iperf3, netperf')
    .option('--label <text>', 'your own label for the run')
    .option(
      '--expect <name=limit>',
      'what every pair must reach, such as throughput_min=9G or p99_latency_max=50us; may be repeated',
      repeated,
    )
  return addPingOptions(addIperfOptions(addCapOptions(addPairOptions(command))))
}
