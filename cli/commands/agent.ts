import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AGENT_DEFAULTS, type AgentOptions, OPTIONS_VARIABLE } from '../../agent/options.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { addressProblem } from '../client/connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { LOG_LEVELS_HELP, readKeyValues, readLogLevel, repeated } from '../options/service-options.ts'
import type { ValueReader } from '../options/value-reader.ts'
import type { NodeProgram } from '../terminal.ts'

type AgentFlags = {
  node?: string
  listen?: string
  interface?: string[]
  excludeInterfaces?: string
  speed?: string[]
  allowPeers?: string
  ports?: string
  tcpPorts?: string
  http?: string
  label?: string[]
  maxDuration?: string
  maxBitrate?: string
  program?: string[]
  logLevel?: string
}

const readInterfaces = (read: ValueReader, texts: readonly string[]): AgentOptions['interfaces'] =>
  texts.map((text) => {
    const [name = '', address] = text.split('=', 2)
    if (name === '' || address === '') read.refuse('--interface', `"${text}" is not NAME or NAME=ADDRESS`)
    return { name, address }
  })

/** Parses `net0=25G`. 0 is an unknown speed. */
const readExcluded = (read: ValueReader, text: string | undefined): readonly string[] => {
  if (text === undefined) return AGENT_DEFAULTS.excludeInterfaces
  return text === 'none' ? [] : read.list('--exclude-interfaces', text)
}

const readSpeeds = (read: ValueReader, texts: readonly string[]): AgentOptions['speeds'] => {
  const entries = Object.entries(readKeyValues(read, '--speed', texts, 'INTERFACE=RATE'))
  return Object.fromEntries(entries.map(([name, rate]) => [name, read.bitsPerSecond('--speed', rate) ?? 0]))
}

const readTcpPorts = (read: ValueReader, text: string | undefined): number[] =>
  read.list('--tcp-ports', text).map((port) => {
    const number = Number(port)
    if (!/^\d+$/.test(port) || number < 1 || number > 65_535)
      read.refuse('--tcp-ports', `"${port}" is not a port`)
    return number
  })

/** Names of labels; those that begin with an underscore are reserved by Prometheus and JavaScript. */
const LABEL = /^[A-Za-z0-9][\w./-]*$/

const readLabels = (read: ValueReader, texts: readonly string[]): AgentOptions['labels'] => {
  const labels = readKeyValues(read, '--label', texts, 'KEY=VALUE')
  for (const name of Object.keys(labels)) {
    if (!LABEL.test(name))
      read.refuse(
        '--label',
        `"${name}" is not a label name; use letters, digits and . / - _, and begin with a letter or digit`,
      )
  }
  return labels
}

export const readAgentOptions = (invocation: Invocation<AgentFlags>): AgentOptions => {
  const { options, read } = invocation
  const listen = options.listen ?? AGENT_DEFAULTS.listen
  const problem = addressProblem(listen)
  if (problem) read.refuse('--listen', problem)
  return {
    node: options.node || hostname(),
    isNodeConfigured: Boolean(options.node),
    listen,
    security: invocation.security,
    interfaces: readInterfaces(read, options.interface ?? []),
    excludeInterfaces: readExcluded(read, options.excludeInterfaces),
    speeds: readSpeeds(read, options.speed ?? []),
    allowPeers: read.list('--allow-peers', options.allowPeers),
    http: options.http,
    tcpPorts: readTcpPorts(read, options.tcpPorts),
    ports: read.portRange('--ports', options.ports) ?? AGENT_DEFAULTS.ports,
    labels: readLabels(read, options.label ?? []),
    maxDurationSeconds:
      read.seconds('--max-duration', options.maxDuration) ?? AGENT_DEFAULTS.maxDurationSeconds,
    maxBitsPerSecond:
      read.bitsPerSecond('--max-bitrate', options.maxBitrate) ?? AGENT_DEFAULTS.maxBitsPerSecond,
    programs: readKeyValues(read, '--program', options.program ?? [], 'ENGINE=PATH'),
    logLevel: readLogLevel(read, options.logLevel) ?? AGENT_DEFAULTS.logLevel,
  }
}

/**
 * Settings that save memory rather than time, because the agent runs for months next to the users' jobs. With 1,000
 * targets probed every second they reduce its memory from 90 to 78 MiB and raise its CPU from 1.5 to 1.6 % of a core.
 */
const SMALL = {
  flags: [
    '--optimize-for-size',
    // Few objects are short-lived.
    '--max-semi-space-size=1',
    // The optimizing compilers and their output need more memory than they are worth at a thousand calls per second.
    '--no-opt',
    '--no-maglev',
    // runAgent collects garbage once, when it is ready.
    '--expose-gc',
  ],
  // Otherwise glibc gives each thread of Node its own heap, and keeps large blocks after they are freed.
  environment: { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536' },
}

const BUNDLE_VARIABLE = 'MESHGAUGE_AGENT_BUNDLE'

/**
 * The agent as a separate program: its sources, or the bundle that is named in the environment. A bundle is never used
 * without being named, because it may have been made from older sources.
 */
const agentProgram = (options: AgentOptions, bundle: string | undefined): NodeProgram => ({
  entry: bundle || fileURLToPath(new URL('../../agent/serve.main.ts', import.meta.url)),
  flags: SMALL.flags,
  environment: { ...SMALL.environment, [OPTIONS_VARIABLE]: JSON.stringify(options) },
})

const agent = async (invocation: Invocation<AgentFlags>): Promise<ExitCode> => {
  const options = readAgentOptions(invocation)
  const bundle = invocation.terminal.env[BUNDLE_VARIABLE]
  if (bundle && !existsSync(bundle)) invocation.read.refuse(BUNDLE_VARIABLE, `${bundle} does not exist`)
  invocation.throwIfWrong()
  const { replaceProcess } = invocation.terminal.machine
  if (replaceProcess) return replaceProcess(agentProgram(options, bundle))
  const { runAgent } = await import('../../agent/main.ts')
  const stopping = new AbortController()
  // A second signal exits at once. The agent's children end with it in any case.
  const stopListening = invocation.terminal.onInterrupt(() => {
    stopListening()
    stopping.abort()
  })
  await runAgent(options, { signal: stopping.signal })
  return EXIT.healthy
}

export const addAgentCommand = (program: Command, app: App): void => {
  const command = program
    .command('agent')
    .summary('Run the agent of this node.')
    .description(
      `Run the agent of this node until SIGTERM or Ctrl-C. The agent serves gRPC to the collector and measures only to
allowed peers. It stops every test when the caller disconnects. With MESHGAUGE_AGENT_BUNDLE=dist/agent.mjs it runs from
the file that \`npm run bundle\` writes, which needs less memory.`,
    )
    .option('--node <name>', 'Name of this node in the fleet. Default: the host name.')
    .option('--listen <host:port>', `Address to serve gRPC on. Default ${AGENT_DEFAULTS.listen}.`)
    .option(
      '--interface <name[=address]>',
      'Interface to measure on. Repeatable. Default: all except loopback and those of --exclude-interfaces.',
      repeated,
    )
    .option(
      '--exclude-interfaces <patterns>',
      `Interfaces not to measure on, as names with *, or none. Default: ${AGENT_DEFAULTS.excludeInterfaces.join(',')}.`,
    )
    .option(
      '--speed <interface=rate>',
      'Speed of an interface whose driver reports none or another, such as net1=25G; 0 if unknown. Repeatable.',
      repeated,
    )
    .option(
      '--allow-peers <networks>',
      'Networks that may be measured, as CIDR,CIDR,… Default: the networks of the interfaces.',
    )
    .option(
      '--ports <first-last>',
      `Ports for iperf servers. Default ${AGENT_DEFAULTS.ports.first}-${AGENT_DEFAULTS.ports.last}.`,
    )
    .option(
      '--tcp-ports <ports>',
      'Ports that engine tcp may connect to, as PORT,PORT,…, besides that of the agents. Default: none.',
    )
    .option(
      '--http <host:port>',
      'Address to serve /metrics, /healthz and /readyz on, without TLS. Default: not served.',
    )
    .option('--label <key=value>', 'Label of this node, for selectors. Repeatable.', repeated)
    .option('--max-duration <time>', 'Longest test, and longest ping except the ping mesh. Default 1h.')
    .option(
      '--max-bitrate <rate>',
      'Highest bitrate of a flow in either direction, and of all probes. Default: unlimited.',
    )
    .option(
      '--program <engine=path>',
      'Path of a program that is not on PATH, also of nvidia-smi, ethtool and pcp.conf. Repeatable.',
      repeated,
    )
    .option('--log-level <level>', `${LOG_LEVELS_HELP}. Default ${AGENT_DEFAULTS.logLevel}.`)
  withExamples(command, [
    ['meshgauge agent', 'serve on loopback, for a first try'],
    [
      'meshgauge agent --listen 10.0.0.7:50051 --tls-ca ca.pem --tls-cert gpu-07.pem --tls-key gpu-07.key',
      '',
    ],
    ['meshgauge agent --listen 10.0.0.7:50051 --insecure --interface net0 --interface net1', ''],
    ['meshgauge agent --program iperf3=/opt/iperf3/bin/iperf3 --label rack=r3', ''],
  ])
  app.handle(command, 0, agent)
}
