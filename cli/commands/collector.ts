import { isIP } from 'node:net'
import type { Command } from 'commander'
import { COLLECTOR_DEFAULTS, type CollectorArguments } from '../../collector/options.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { addressProblem } from '../client/connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { LOG_LEVELS_HELP, readLogLevel } from '../options/service-options.ts'

type CollectorFlags = {
  config?: string
  hosts?: string
  listen?: string
  http?: string
  store?: string
  autopilotPort?: string
  autopilotAddress?: string
  defaultSchedules?: boolean
  logLevel?: string
}

export const readCollectorOptions = (invocation: Invocation<CollectorFlags>): CollectorArguments => {
  const { options, read } = invocation
  const { config, hosts, listen, http, store } = options
  if (config === undefined && hosts === undefined)
    read.refuse('--config', 'is missing: a YAML file (or --hosts, a text list)')
  if (config !== undefined && hosts !== undefined)
    read.refuse('--hosts', 'cannot be given together with --config')
  for (const [place, address] of [
    ['--listen', listen],
    ['--http', http],
  ] as const) {
    const problem = address === undefined ? undefined : addressProblem(address)
    if (problem) read.refuse(place, problem)
  }
  const autopilot = {
    port: read.integer('--autopilot-port', options.autopilotPort, 1, 65535),
    address: options.autopilotAddress,
  }
  if (autopilot.address !== undefined && isIP(autopilot.address) === 0)
    read.refuse('--autopilot-address', `"${autopilot.address}" is not an IP address`)
  return {
    inventory: config === undefined ? { kind: 'hosts', file: hosts ?? '' } : { kind: 'config', file: config },
    listen,
    http,
    store,
    autopilot,
    // Commander turns --no-default-schedules into false.
    defaultSchedules: options.defaultSchedules !== false,
    security: invocation.security,
    logLevel: readLogLevel(read, options.logLevel) ?? 'info',
  }
}

const collector = async (invocation: Invocation<CollectorFlags>): Promise<ExitCode> => {
  const options = readCollectorOptions(invocation)
  invocation.throwIfWrong()
  const { runCollector } = await import('../../collector/main.ts')
  const stopping = new AbortController()
  // A second signal leaves at once: what was acknowledged is in the store.
  const stopListening = invocation.terminal.onInterrupt(() => {
    stopListening()
    stopping.abort()
  })
  await runCollector(options, { signal: stopping.signal, onHangup: invocation.terminal.onHangup })
  return EXIT.healthy
}

export const addCollectorCommand = (program: Command, app: App): void => {
  const command = program
    .command('collector')
    .summary('run the collector of a fleet')
    .description(
      `Runs the collector, until SIGTERM or Ctrl-C: it knows the nodes, plans runs, drives the agents, keeps every
result, and serves gRPC to this command and /metrics to Prometheus. SIGHUP, or "meshgauge reload", has it read its
config again: nodes, checks and schedules change in place.

fleet.yaml, at its smallest:
  nodes:
    - { name: gpu-01, address: 10.0.0.1 }
    - { name: gpu-02, address: 10.0.0.2, rack: r1, labels: { zone: a }, interfaces: [net0, net1] }
and with checks that run by themselves:
  checks:
    - { check: interfaces, every: 10m }
    - { check: dcgm, every: 1d, nodes: [rack=r1], parameters: { level: 3 } }
and with how long the store keeps what the ping mesh measures, what runs found, and how large it may get (the usual):
  storage: { raw: 2d, five_minutes: 30d, one_hour: 400d, events: 90d, runs: 90d, max_size: 4G }`,
    )
    .option('--config <file>', 'the fleet in YAML: names, addresses, racks, labels, and the settings below')
    .option('--hosts <file>', 'the fleet as a text list: an agent address a line, # comments')
    .option('--listen <host:port>', `where to serve gRPC (default: ${COLLECTOR_DEFAULTS.listen})`)
    .option(
      '--http <host:port>',
      `where to serve /metrics and /healthz (default: ${COLLECTOR_DEFAULTS.http})`,
    )
    .option('--store <file>', `the SQLite file that keeps results (default: ${COLLECTOR_DEFAULTS.store})`)
    .option(
      '--autopilot-port <port>',
      "serve IBM Autopilot's HTTP endpoints there, usually 3333 (default: off)",
    )
    .option(
      '--autopilot-address <ip>',
      'where these are served; they have neither TLS nor a password (default: 127.0.0.1)',
    )
    .option('--no-default-schedules', 'only the schedules of the config and those that were added')
    .option('--log-level <level>', `${LOG_LEVELS_HELP} (default: info)`)
  withExamples(command, [
    ['meshgauge collector --config fleet.yaml', ''],
    ['meshgauge collector --hosts hosts.txt --insecure', 'agents without certificates'],
    [
      'meshgauge collector --config fleet.yaml --tls-ca ca.pem --tls-cert collector.pem --tls-key collector.key',
      '',
    ],
  ])
  app.handle(command, 0, collector)
}
