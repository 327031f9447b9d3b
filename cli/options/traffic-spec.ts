import type { Command } from 'commander'
import { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Problem } from '../command-errors.ts'
import { addPairOptions, type RunOptions } from './run-options.ts'
import { readIperf } from './run-spec.ts'
import { readTopology, topologyName } from './topology-options.ts'
import type { ValueReader } from './value-reader.ts'

/** The options of `traffic start`, as the user typed them. */
export type TrafficOptions = Pick<
  RunOptions,
  | 'interface'
  | 'nodes'
  | 'matrix'
  | 'clients'
  | 'servers'
  | 'center'
  | 'shifts'
  | 'seed'
  | 'pairs'
  | 'duration'
  | 'interval'
  | 'bitrate'
  | 'udp'
  | 'length'
  | 'window'
  | 'mss'
  | 'congestion'
  | 'tos'
  | 'dscp'
  | 'zerocopy'
  | 'ipv4'
  | 'ipv6'
  | 'portRange'
> & { streams?: string; label?: string; wait?: string; detach?: boolean }

export const addTrafficOptions = (command: Command): Command =>
  addPairOptions(command)
    .optionsGroup('What each flow sends, named as in iperf3:')
    .option(
      '-b, --bitrate <rate>',
      'Bitrate of each stream, such as 10G. Default: unlimited for TCP, 1M for UDP.',
    )
    .option('-P, --streams <n>', 'Parallel streams of each flow, 1 to 128. Default 1.')
    .option('-t, --duration <time>', 'Duration of the traffic. Default: until it is stopped.')
    .option('-u, --udp', 'Send UDP instead of TCP.')
    .option('-l, --length <size>', 'Size of the write buffer, or of a UDP datagram, in bytes.')
    .option('-w, --window <size>', 'Size of the socket buffer in bytes.')
    .option('-M, --mss <bytes>', 'TCP maximum segment size.')
    .option('-C, --congestion <name>', 'TCP congestion control algorithm, such as cubic or bbr.')
    .option('-S, --tos <n>', 'IP type-of-service byte, 0 to 255.')
    .option('--dscp <n>', 'IP DSCP, 0 to 63.')
    .option('-Z, --zerocopy', 'Send with sendfile.')
    .option('-4, --ipv4', 'Use IPv4 only.')
    .option('-6, --ipv6', 'Use IPv6 only.')
    .optionsGroup('How the flows are kept running:')
    .option('-i, --interval <time>', 'Time between two samples of a flow, 1s to 60s. Default 5s.')
    .option(
      '--port-range <first-last>',
      "Ports for the servers, within the agents' range. Default: all of the range.",
    )
    .option('--label <text>', 'Your own label for the traffic.')

/** The TrafficSpec for the typed options. It is valid only if no problem was added. */
export const readTrafficSpec = (
  word: string | undefined,
  typed: TrafficOptions,
  read: ValueReader,
  problems: Problem[],
): TrafficSpec => {
  const { streams, label, interval, wait, detach, ...options } = typed
  const name = topologyName(word, options, read)
  const iperf = readIperf(options, [], read)
  const seconds = read.seconds('--interval', interval)
  if (seconds !== undefined && (seconds < 1 || seconds > 60)) {
    read.refuse('--interval', `"${interval}" is not from 1s to 60s`)
  }
  return TrafficSpec.fromPartial({
    label: label ?? '',
    topology: name ? readTopology(name, options, read, problems) : undefined,
    interfaces: read.list('--interface', options.interface),
    options: { ...iperf.options, parallelCount: read.integer('--streams', streams, 1, 128) },
    ports: iperf.ports,
    interval: seconds === undefined ? undefined : toDuration(seconds),
  })
}
