import type { Command } from 'commander'
import { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import type { Problem } from '../command-errors.ts'
import { addPairOptions, type RunOptions } from './run-options.ts'
import { readIperf } from './run-spec.ts'
import { readTopology, topologyName } from './topology-options.ts'
import type { ValueReader } from './value-reader.ts'

/** The options of `traffic start` as they were typed. */
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
    .optionsGroup('What each flow sends, as iperf3 has it:')
    .option('-b, --bitrate <rate>', 'bitrate of each stream, such as 10G (default: as much as goes; UDP: 1M)')
    .option('-P, --streams <n>', 'parallel streams of each flow, 1 to 128 (default: 1)')
    .option('-t, --duration <time>', 'end after so long (default: when it is stopped)')
    .option('-u, --udp', 'UDP instead of TCP')
    .option('-l, --length <size>', 'write buffer, or UDP datagram')
    .option('-w, --window <size>', 'socket buffer')
    .option('-M, --mss <bytes>', 'TCP maximum segment size')
    .option('-C, --congestion <name>', 'TCP congestion control, such as cubic or bbr')
    .option('-S, --tos <n>', 'IP type-of-service byte, 0 to 255')
    .option('--dscp <n>', 'IP DSCP, 0 to 63')
    .option('-Z, --zerocopy', 'send with sendfile')
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .optionsGroup('How it is kept up:')
    .option('-i, --interval <time>', 'time between two samples of a flow, 1s to 60s (default: 5s)')
    .option(
      '--port-range <first-last>',
      "ports for the servers, within the agents' own (default: all of theirs)",
    )
    .option('--label <text>', 'your own label for it')

/** What was typed as a TrafficSpec. Its problems go where the reader puts them. */
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
