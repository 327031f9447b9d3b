/**
 * The meaning of each key of the config, for the reference and for editors. A test compares this table with the schemas:
 * each key has one entry. Names are those of json-schema.ts: `test.` is a test of a schedule or profile.
 */

import { EXPECTATIONS } from '../../lib/expectations.ts'

export type ConfigKey = {
  /** One sentence or two, with the unit and what the absence of the key means. */
  meaning: string
  /** The kind of text, where the schema parses one. */
  text?: 'duration' | 'size'
}

const key = (meaning: string): ConfigKey => ({ meaning })
const duration = (meaning: string): ConfigKey => ({ meaning, text: 'duration' })
const size = (meaning: string): ConfigKey => ({ meaning, text: 'size' })
const NO_EFFECT = key("Accepted for netperf-orchestrate's profiles. Has no effect.")

const COLLECTOR: Readonly<Record<string, ConfigKey>> = {
  listen: key('HOST:PORT for gRPC. Default 127.0.0.1:50050.'),
  http: key('HOST:PORT for /metrics and /healthz. Default 127.0.0.1:9464.'),
  store: key('SQLite file for all results. Default meshgauge.db in the working directory.'),
  insecure: key('Allow plaintext on addresses other than loopback.'),
  tls: key('Certificates for mTLS, as PEM files.'),
  'tls.ca': key("File with the CA certificate that signed the peers' certificates."),
  'tls.cert': key('File with the certificate of the collector.'),
  'tls.key': key('File with the private key of the certificate.'),
  nodes: key('The nodes of the fleet. At least one.'),
  'nodes[].name': key('Name of the node: letters, digits, ".", "_" and "-".'),
  'nodes[].address': key('Address of its agent: HOST, HOST:PORT or [IPv6]:PORT. The default port is 50051.'),
  'nodes[].rack': key('Rack of the node. Default: the label `rack` of its agent, else none.'),
  'nodes[].labels': key(
    'Labels for selectors such as zone=b. They replace labels of the agent with the same name.',
  ),
  'nodes[].interfaces': key('Interfaces that tests use. Default: all that the agent reports.'),
}

const CHECKS: Readonly<Record<string, ConfigKey>> = {
  checks: key('Health checks that run at intervals. Default: none.'),
  'checks[].check': key('Name of the check, such as interfaces.'),
  'checks[].every': duration('Time between two runs on a node. At least 1s.'),
  'checks[].nodes': key('Selectors of the nodes: names, labels or addresses. Default: all nodes.'),
  'checks[].parameters': key('Parameters of the check, such as { level: 3 } for dcgm.'),
  autopilot: key('The HTTP endpoints of IBM Autopilot. Default: off.'),
  'autopilot.port': key('Port of the endpoints.'),
  'autopilot.address': key('IP address of the endpoints. They have no TLS and no password.'),
  'autopilot.bw': key('PCIe bandwidth in GB/s below which the check pciebw fails.'),
  'autopilot.checks': key('The checks of check=all.'),
}

const STORAGE: Readonly<Record<string, ConfigKey>> = {
  storage: key('How long the store keeps its content, and its maximum size.'),
  'storage.raw': duration('Windows of the ping mesh as measured. Default 2d. At least 2h.'),
  'storage.five_minutes': duration('Windows of the ping mesh merged to 5 minutes. Default 30d.'),
  'storage.one_hour': duration('Windows of the ping mesh merged to 1 hour. Default 400d.'),
  'storage.events': duration('Changes of state in the ping mesh. Default 90d.'),
  'storage.runs': duration('Runs with their results. Default 90d.'),
  'storage.max_size': size(
    'Maximum size of the file. The oldest content is removed first. Default 4G, at least 64M.',
  ),
}

const SCHEDULES: Readonly<Record<string, ConfigKey>> = {
  default_schedules: key('Whether the built-in schedules run: a ping mesh, and throughput at night.'),
  schedules: key(
    'Recurring work. An entry with the name of a built-in schedule replaces it; [] removes all of them.',
  ),
  'schedules[].name': key('Name of the schedule. Its runs have it as their label.'),
  'schedules[].cron': key(
    'Start times as a cron expression of five fields, six with seconds first, or @daily.',
  ),
  'schedules[].every': duration('Time between two starts, instead of cron.'),
  'schedules[].time_zone': key('IANA time zone of cron and blackouts. Default: that of the collector.'),
  'schedules[].run': key('The test to run. Give one of run, profile and mesh.'),
  'schedules[].profile': key('Name of the profile to run, built in or listed in profiles.'),
  'schedules[].mesh': key('An always-on ping mesh. {} has all defaults.'),
  'schedules[].mesh.nodes': key('Selectors of the nodes. Default: all nodes.'),
  'schedules[].mesh.interfaces': key('Interfaces to probe. Default: all that tests may use.'),
  'schedules[].mesh.engine': key('The program that pings. Default fping.'),
  'schedules[].mesh.interval': duration(
    'Time between two probes of a path. Default: up to 20 probes per second, by the number of paths.',
  ),
  'schedules[].mesh.timeout': duration('How long to wait for an answer. Default 500ms.'),
  'schedules[].mesh.size': key('Payload of a probe in bytes. Default 56.'),
  'schedules[].mesh.dont_fragment': key("Set the don't-fragment flag."),
  'schedules[].mesh.tos': key('IP type-of-service byte.'),
  'schedules[].mesh.window': duration(
    'Length of a window, the unit of storage. Default 10s, longer above 250,000 paths.',
  ),
  'schedules[].mesh.full_mesh_limit': key(
    'Number of nodes up to which every node probes every other one. Default 200.',
  ),
  'schedules[].mesh.shifts': key('Peers that a node probes at a time in larger meshes. Odd. Default 21.'),
  'schedules[].mesh.epoch': duration('Time after which these peers change. Default 1m.'),
  'schedules[].jitter': duration('Delays each start by a random time up to this. Default 0s.'),
  'schedules[].overlap': key('What to do if the previous run is still active. Default skip.'),
  'schedules[].blackouts': key('Times without starts.'),
  'schedules[].blackouts[].cron': key('Start times of the blackout.'),
  'schedules[].blackouts[].duration': duration('Length of the blackout.'),
  'schedules[].budget': key('Limits per sliding period.'),
  'schedules[].budget.bytes': size('Bytes that all nodes together may send.'),
  'schedules[].budget.busy': duration('Time that any interface may be busy.'),
  'schedules[].budget.period': duration('Length of the period. Default 1d.'),
  'schedules[].every_pair_within': duration(
    'Measures every pair within this time: a share at each start, the most overdue pairs first.',
  ),
  'schedules[].each_interface': key('Starts one run per interface, one after the other.'),
}

const PROFILES: Readonly<Record<string, ConfigKey>> = {
  profiles: key('Named sets of tests with the values that they must reach.'),
  'profiles[].name': key('Name of the profile.'),
  'profiles[].description': key('One line for `meshgauge profiles list`.'),
  'profiles[].version': key('Version of the profile, for people.'),
  'profiles[].global': key('Settings that all tests share. A test may replace them.'),
  'profiles[].tests': key('The tests, in their order.'),
  'profiles[].expectations': key('Limits for all tests that measure the value.'),
  'profiles[].category': NO_EFFECT,
  'profiles[].tags': NO_EFFECT,
  'profiles[].analysis': NO_EFFECT,
}

const TEST: Readonly<Record<string, ConfigKey>> = {
  'test.name': key('Name of the test.'),
  'test.description': key('Description of the test, for people.'),
  'test.test': key(
    'What is measured: ping is loss and round-trip time, iperf is throughput. Default: by direction and engine, else iperf.',
  ),
  'test.engine': key('The program that measures. Default fping or iperf3; netperf for transactions.'),
  'test.topology': key('Which pairs. Default mesh.'),
  'test.nodes': key('Selectors of the nodes. Default: all nodes.'),
  'test.clients': key('For matrix: selectors of the nodes that send.'),
  'test.servers': key('For matrix: selectors of the nodes that receive.'),
  'test.center': key('For star: the center node.'),
  'test.shifts': key('For shifts: number of nodes that each node sends to. Default 7.'),
  'test.seed': key('For shifts: seed of the random distances.'),
  'test.pairs': key('For pairs: the list of pairs, each as source:destination.'),
  'test.interfaces': key('Interfaces to measure. Default: all that tests may use.'),
  'test.node_cap': key('Tests that a node sends, and tests that it receives, at the same time. Default 1.'),
  'test.uplink_cap': key(
    'Flows that leave a rack, and flows that enter it, at the same time. Default: unlimited.',
  ),
  'test.total_cap': key('Tests at the same time in total. Default: unlimited.'),
  'test.exclusive_nodes': key('A node takes part in one test at a time.'),
  'test.duration': duration('Duration of each iperf test. A number is seconds. Default 10s.'),
  'test.warmup': duration('Traffic before the measured part. It is not counted. Default 0s.'),
  'test.cooldown': duration('Pause after the test. Default 0s.'),
  'test.interval': duration('Time between two samples, or between two pings of a pair. Default 1s.'),
  'test.protocol': key('Default tcp.'),
  'test.direction': key(
    'send and stream: the client sends. recv and maerts: the server sends. bidir: both. rr: requests and responses.',
  ),
  'test.instances': key('Parallel streams. Default 1.'),
  'test.bitrate': key('Bitrate of each stream, such as 10G. Default: unlimited for TCP, 1M for UDP.'),
  'test.message_size': size('Size of the write buffer, or of a UDP datagram.'),
  'test.socket_size': size('Size of the socket buffer.'),
  'test.mss': key('TCP maximum segment size in bytes.'),
  'test.no_delay': key("Disables Nagle's algorithm."),
  'test.congestion': key('TCP congestion control algorithm, such as cubic or bbr.'),
  'test.tos': key('IP type-of-service byte, 0 to 255.'),
  'test.dscp': key('IP DSCP, 0 to 63.'),
  'test.zerocopy': key('Sends with sendfile.'),
  'test.family': key('IP version, 4 or 6. Default: what both ends have, IPv4 first.'),
  'test.client_cpu': key('Core to which each client is pinned.'),
  'test.server_cpu': key('Core to which each server is pinned.'),
  'test.request_size': size('For rr: size of a request. Default 1 byte.'),
  'test.response_size': size('For rr: size of a response. Default 1 byte.'),
  'test.burst': key('For rr: number of concurrent transactions. Default 1.'),
  'test.connection': key('For rr: one connection per transaction.'),
  'test.netperf_arguments': key('Further arguments of netperf.'),
  'test.count': key('For ping: probes per pair. Default 10.'),
  'test.size': size('For ping: size of the payload. Default 56 bytes.'),
  'test.timeout': duration('For ping: how long to wait for an answer. Default 1s.'),
  'test.dont_fragment': key("For ping: set the don't-fragment flag."),
  'test.ttl': key('For ping: IP time to live.'),
  'test.expectations': key('Limits for this test. They replace those of the profile.'),
  'test.output_format': NO_EFFECT,
  'test.cpu_affinity': NO_EFFECT,
  'test.stagger_start': NO_EFFECT,
  'test.retry_on_error': NO_EFFECT,
  'test.interval_reporting': NO_EFFECT,
  'test.continue_on_error': NO_EFFECT,
  'test.error_tolerance': NO_EFFECT,
}

const BARE_UNITS = { bitrate: 'Mbit/s', time: 'µs', ratio: '', rate: 'per second' } as const
const EXAMPLES = { bitrate: '9.4G', time: '50us', ratio: '0.1%', rate: '10000/s' } as const

/** The limits of a test. */
const LIMITS = Object.fromEntries(
  Object.entries(EXPECTATIONS).map(([name, { unit, bare, meaning }]) => {
    const kind = name.endsWith('_min') ? 'Minimum' : 'Maximum'
    const bareUnit = unit === 'ratio' ? (bare === 1 ? 'a ratio' : 'in percent') : `in ${BARE_UNITS[unit]}`
    const text = `${kind} of the ${meaning}, such as ${EXAMPLES[unit]}. A number is ${bareUnit.replace('in per', 'per')}.`
    return [`expectations.${name}`, key(text)]
  }),
)

export const CONFIG_KEYS: Readonly<Record<string, ConfigKey>> = {
  ...COLLECTOR,
  ...CHECKS,
  ...STORAGE,
  ...SCHEDULES,
  ...PROFILES,
  ...TEST,
  ...LIMITS,
}
