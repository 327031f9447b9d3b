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

export const readCollectorArguments = (invocation: Invocation<CollectorFlags>): CollectorArguments => {
  const { options, read } = invocation
  const { config, hosts, listen, http, store } = options
  if (config === undefined && hosts === undefined)
    read.refuse('--config', 'is missing: give a YAML file, or a text list with --hosts')
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
    // Commander sets this to false for --no-default-schedules.
    defaultSchedules: options.defaultSchedules !== false,
    security: invocation.security,
    logLevel: readLogLevel(read, options.logLevel) ?? 'info',
  }
}

const collector = async (invocation: Invocation<CollectorFlags>): Promise<ExitCode> => {
  const options = readCollectorArguments(invocation)
  invocation.throwIfWrong()
  const { runCollector } = await import('../../collector/main.ts')
  const stopping = new AbortController()
  // A second signal exits at once. Acknowledged results are already stored.
  const stopListening = invocation.terminal.onInterrupt(() => {
    stopListening()
    stopping.abort()
  })
  await runCollector(options, {
    signal: stopping.signal,
    onHangup: invocation.terminal.onHangup,
    load: invocation.terminal.withDefaultSignals,
  })
  return EXIT.healthy
}

export const addCollectorCommand = (program: Command, app: App): void => {
  const command = program
    .command('collector')
    .summary('Run the collector of a fleet.')
    .description(
      `Run the collector until SIGTERM or Ctrl-C. The collector knows the nodes, plans runs, calls the agents and stores
every result. It serves gRPC to this command and /metrics to Prometheus. On SIGHUP or "meshgauge reload" it reads its
configuration again and applies changes of nodes, checks and schedules.

The smallest fleet.yaml:
  nodes:
    - { name: gpu-01, address: 10.0.0.1 }
    - { name: gpu-02, address: 10.0.0.2, rack: r1, labels: { zone: a }, interfaces: [net0, net1] }
Checks that run at intervals:
  checks:
    - { check: interfaces, every: 10m }
    - { check: dcgm, every: 1d, nodes: [rack=r1], parameters: { level: 3 } }
How long the store keeps ping mesh windows, events and runs, and its maximum size (these are the defaults):
  storage: { raw: 2d, five_minutes: 30d, one_hour: 400d, events: 90d, runs: 90d, max_size: 4G }`,
    )
    .option(
      '--config <file>',
      'Configuration in YAML: the nodes (name, address, rack, labels) and all settings.',
    )
    .option(
      '--hosts <file>',
      'The nodes as a text list: one agent address or one list such as gpu-[01-64] per line, # starts a comment.',
    )
    .option('--listen <host:port>', `Address to serve gRPC on. Default ${COLLECTOR_DEFAULTS.listen}.`)
    .option(
      '--http <host:port>',
      `Address to serve /metrics and /healthz on. Default ${COLLECTOR_DEFAULTS.http}.`,
    )
    .option('--store <file>', `SQLite file for all results. Default ${COLLECTOR_DEFAULTS.store}.`)
    .option('--autopilot-port <port>', "Port for IBM Autopilot's HTTP endpoints, usually 3333. Default: off.")
    .option(
      '--autopilot-address <ip>',
      'Address for the Autopilot endpoints, which have no TLS and no password. Default 127.0.0.1.',
    )
    .option('--no-default-schedules', 'Do not add the built-in schedules.')
    .option('--log-level <level>', `${LOG_LEVELS_HELP}. Default info.`)
  withExamples(command, [
    ['meshgauge collector --config fleet.yaml', ''],
    ['meshgauge collector --hosts hosts.txt --insecure', 'use agents without certificates'],
    ['meshgauge collector --config fleet.yaml --tls-ca ca.pem --tls-cert cert.pem --tls-key key.pem', ''],
  ])
  app.handle(command, 0, collector)
}
