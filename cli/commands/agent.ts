import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AGENT_DEFAULTS, type AgentOptions, OPTIONS_VARIABLE } from '../../agent/options.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { addressProblem } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { LOG_LEVELS_HELP, readKeyValues, readLogLevel, repeated } from '../options/service.ts'
import type { ValueReader } from '../options/values.ts'
import type { NodeProgram } from '../terminal.ts'

type AgentFlags = {
  node?: string
  listen?: string
  interface?: string[]
  allowPeers?: string
  ports?: string
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

export const readAgentOptions = (invocation: Invocation<AgentFlags>): AgentOptions => {
  const { options, read } = invocation
  const listen = options.listen ?? AGENT_DEFAULTS.listen
  const problem = addressProblem(listen)
  if (problem) read.refuse('--listen', problem)
  return {
    node: options.node || hostname(),
    listen,
    security: invocation.security,
    interfaces: readInterfaces(read, options.interface ?? []),
    allowPeers: read.list('--allow-peers', options.allowPeers),
    ports: read.portRange('--ports', options.ports) ?? AGENT_DEFAULTS.ports,
    labels: readKeyValues(read, '--label', options.label ?? [], 'KEY=VALUE'),
    maxDurationSeconds:
      read.seconds('--max-duration', options.maxDuration) ?? AGENT_DEFAULTS.maxDurationSeconds,
    maxBitsPerSecond:
      read.bitsPerSecond('--max-bitrate', options.maxBitrate) ?? AGENT_DEFAULTS.maxBitsPerSecond,
    programs: readKeyValues(read, '--program', options.program ?? [], 'ENGINE=PATH'),
    logLevel: readLogLevel(read, options.logLevel) ?? AGENT_DEFAULTS.logLevel,
  }
}

/**
 * An agent works little and lives long, on a machine that is there for something else: memory counts, speed does not.
 * At 1,000 targets each second these took it from 90 to 78 MiB, and from 1.5 to 1.6 % of a core.
 */
const SMALL = {
  flags: [
    '--optimize-for-size',
    // Little of what it has is young.
    '--max-semi-space-size=1',
    // V8's optimizing compilers and what they make of code that runs a thousand times a second would take more than that code.
    '--no-opt',
    '--no-maglev',
    // Once, when it is ready: see runAgent.
    '--expose-gc',
  ],
  // Otherwise glibc gives each of Node's threads a heap of its own, and keeps what was large and is freed.
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
  const { become } = invocation.terminal.machine
  if (become) return become(agentProgram(options, bundle))
  const { runAgent } = await import('../../agent/main.ts')
  const stopping = new AbortController()
  // A second signal leaves at once: the agent's children end with it all the same.
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
    .summary('run the agent of this node')
    .description(
      `Runs the agent that measures from this node, until SIGTERM or Ctrl-C. It serves gRPC to the collector, measures
only towards peers it is allowed to, and ends everything it started when its caller goes.
MESHGAUGE_AGENT_BUNDLE=dist/agent.mjs runs it from the file that \`npm run bundle\` writes, which needs less memory.`,
    )
    .option('--node <name>', "this node's name in the fleet (default: the host name)")
    .option('--listen <host:port>', `where to serve (default: ${AGENT_DEFAULTS.listen})`)
    .option(
      '--interface <name[=address]>',
      'measure on this interface; may be repeated (default: all but loopback)',
      repeated,
    )
    .option(
      '--allow-peers <networks>',
      'networks that may be measured, CIDR,... (default: those of the interfaces)',
    )
    .option(
      '--ports <first-last>',
      `ports for iperf servers (default: ${AGENT_DEFAULTS.ports.first}-${AGENT_DEFAULTS.ports.last})`,
    )
    .option('--label <key=value>', 'a label for selectors; may be repeated', repeated)
    .option('--max-duration <time>', 'the longest bandwidth test (default: 1h)')
    .option('--max-bitrate <rate>', 'the highest bitrate one test may ask for (default: no ceiling)')
    .option(
      '--program <engine=path>',
      'where a program is that is not on PATH, also nvidia-smi, ethtool and pcp.conf; may be repeated',
      repeated,
    )
    .option('--log-level <level>', `${LOG_LEVELS_HELP} (default: ${AGENT_DEFAULTS.logLevel})`)
  withExamples(command, [
    ['meshgauge agent', 'on loopback, to try it'],
    [
      'meshgauge agent --listen 10.0.0.7:50051 --tls-ca ca.pem --tls-cert gpu-07.pem --tls-key gpu-07.key',
      '',
    ],
    ['meshgauge agent --listen 10.0.0.7:50051 --insecure --interface net0 --interface net1', ''],
    ['meshgauge agent --program iperf3=/opt/iperf3/bin/iperf3 --label rack=r3', ''],
  ])
  app.handle(command, 0, agent)
}
