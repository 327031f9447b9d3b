import { Command } from 'commander'
import { expect, test } from 'vitest'
import { AGENT_DEFAULTS } from '../../agent/options.ts'
import { createApp, type Invocation } from '../app.ts'
import { runCommandLine } from '../program.ts'
import { testTerminal } from '../testing/test-terminal.ts'
import { readAgentOptions } from './agent.ts'
import { readCollectorArguments } from './collector.ts'

/** The invocation that the handler of a command gets for these options. */
const invocationOf = async <O extends object>(options: O): Promise<Invocation<O>> => {
  let seen: Invocation<O> | undefined
  const program = new Command()
  const app = createApp({
    terminal: testTerminal(),
    passThrough: [],
    findLabCollectors: async () => [],
    onExit: () => undefined,
    onAddress: () => undefined,
  })
  const command = program.command('it')
  app.handle<O>(command, 0, async (invocation) => {
    seen = { ...invocation, options: { ...invocation.options, ...options } }
    return 0
  })
  await program.parseAsync(['it'], { from: 'user' })
  return seen!
}

test('readAgentOptions reads every option', async () => {
  const invocation = await invocationOf({
    node: 'gpu-07',
    listen: '10.0.0.7:50051',
    interface: ['net0', 'lo=127.0.0.11'],
    speed: ['net0=25G', 'lo=0'],
    allowPeers: '10.0.0.0/8,fd00::/8',
    ports: '6000-6010',
    label: ['rack=r3', 'zone=a=b'],
    maxDuration: '5m',
    http: '127.0.0.1:9465',
    tcpPorts: '22,443',
    maxBitrate: '10G',
    program: ['iperf3=/opt/iperf3'],
  })
  expect(readAgentOptions(invocation)).toEqual({
    node: 'gpu-07',
    listen: '10.0.0.7:50051',
    security: { insecure: undefined },
    interfaces: [
      { name: 'net0', address: undefined },
      { name: 'lo', address: '127.0.0.11' },
    ],
    isNodeConfigured: true,
    excludeInterfaces: AGENT_DEFAULTS.excludeInterfaces,
    speeds: { net0: 25e9, lo: 0 },
    allowPeers: ['10.0.0.0/8', 'fd00::/8'],
    ports: { first: 6000, last: 6010 },
    http: '127.0.0.1:9465',
    tcpPorts: [22, 443],
    labels: { rack: 'r3', zone: 'a=b' },
    maxDurationSeconds: 300,
    maxBitsPerSecond: 1e10,
    programs: { iperf3: '/opt/iperf3' },
    logLevel: 'info',
  })
  expect(invocation.problems).toEqual([])
})

test('readCollectorArguments leaves options that were not given to the configuration file', async () => {
  const invocation = await invocationOf({ config: 'fleet.yaml', http: '[::1]:9464' })
  expect(readCollectorArguments(invocation)).toEqual({
    inventory: { kind: 'config', file: 'fleet.yaml' },
    listen: undefined,
    http: '[::1]:9464',
    store: undefined,
    autopilot: { port: undefined, address: undefined },
    defaultSchedules: true,
    security: { insecure: undefined },
    logLevel: 'info',
  })
  expect(invocation.problems).toEqual([])
})

test.each([
  [
    'agent --interface =x --label a --label b=1 --label b=2 --ports 9-1 --max-duration 5 --log-level loud',
    `6 problems; nothing was done.
  --interface     "=x" is not NAME or NAME=ADDRESS
  --ports         "9-1" is not a port range; write 5201-5299
  --label         "a" is not KEY=VALUE
  --label         b is given twice
  --max-duration  "5" is not a duration; write 5s
  --log-level     "loud" is not one of trace, debug, info, warn, error, fatal, silent
`,
  ],
  [
    'collector --http foo --tls-ca /nowhere/ca.pem --insecure',
    `5 problems; nothing was done.
  --tls-cert  is missing: TLS needs all of --tls-ca, --tls-cert and --tls-key
  --tls-key   is missing: TLS needs all of --tls-ca, --tls-cert and --tls-key
  --insecure  contradicts --tls-ca, --tls-cert and --tls-key
  --config    is missing: give a YAML file, or a text list with --hosts
  --http      "foo" is not HOST:PORT, such as 10.0.0.1:50050 or [fd00::1]:50050
`,
  ],
  [
    'nodes --tls-ca /nowhere/ca.pem --tls-cert /nowhere/c.pem --tls-key /dev/null',
    `3 problems; nothing was done.
  --tls-ca    cannot read /nowhere/ca.pem: there is no such file
  --tls-cert  cannot read /nowhere/c.pem: there is no such file
  --tls-key   /dev/null has no private key in PEM format: error:1E08010C:DECODER routines::unsupported
`,
  ],
])('%s: reports all problems', async (words, output) => {
  const terminal = testTerminal()
  expect(await runCommandLine(words.split(' '), terminal)).toBe(2)
  expect(terminal.err()).toBe(output)
})
