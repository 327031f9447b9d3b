import { afterEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Node, NodeState, RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { OperatingError } from '../lib/errors.ts'
import { closeCollectors, collectorWith, runCommand } from './testing/run-command.ts'
import { RUN_ID } from './testing/run-samples.ts'
import { testTerminal } from './testing/test-terminal.ts'

afterEach(closeCollectors)

test('help wraps paragraphs at the width of the terminal and keeps lists', async () => {
  const terminal = testTerminal({ isTTY: true, columns: 80 })
  await runCommand(undefined, 'run --help', terminal)
  const lines = terminal.out().split('\n')
  const description = lines.slice(
    2,
    lines.findIndex((line) => line.startsWith('  ring ')),
  )
  expect(description.every((line) => line.length <= 80)).toBe(true)
  expect(description[0]!.length).toBeGreaterThan(70)
  expect(lines).toContain('  mesh    Each node sends to every other node.')
})

describe('wrong usage', () => {
  test('all problems of the options are reported, and nothing is sent', async () => {
    const collector = await collectorWith()
    const { code, err } = await runCommand(
      collector,
      'run msh --tset iperf --duration 5min --test png --tls-ca x',
    )
    expect(code).toBe(2)
    expect(err).toBe(`6 problems; nothing was done.
  --tset      is not an option; did you mean --test?
  --tls-cert  is missing: TLS needs all of --tls-ca, --tls-cert and --tls-key
  --tls-key   is missing: TLS needs all of --tls-ca, --tls-cert and --tls-key
  TOPOLOGY    "msh" is not a topology; did you mean mesh?
  --test      "png" is not one of ping, iperf; did you mean ping?
  --duration  "5min" is not a duration; write 5m
`)
    expect(collector.specs).toEqual([])
  })

  test('each violation that the collector returns is on its own line', async () => {
    const collector = await collectorWith({
      createRun: async () => {
        throw new OperatingError('SPEC_INVALID', 'the run is not valid', {
          violations: [
            { field: 'spec.topology.nodes[0]', description: 'there is no node n9' },
            { field: 'spec.interfaces[0]', description: 'no node has net9' },
          ],
        })
      },
    })
    const { code, err } = await runCommand(collector, 'run mesh --test iperf --nodes n9 --interface net9')
    expect(code).toBe(2)
    expect(err).toBe(`2 problems; nothing was done.
  --nodes      there is no node n9
  --interface  no node has net9
`)
  })

  test('problems that only the collector can find are reported together with those of the options', async () => {
    const collector = await collectorWith({
      planRun: async ({ spec }) => {
        expect(spec?.interfaces).toEqual(['net9'])
        throw new OperatingError('SPEC_INVALID', 'the run is not valid', {
          violations: [
            { field: 'topology.kind', description: 'one of mesh, ring is needed' },
            { field: 'interfaces[0]', description: 'no node has "net9"; did you mean net0?' },
          ],
        })
      },
    })
    const { code, err } = await runCommand(collector, 'run mehs --test iperf --bitrate 10X --interface net9')
    expect([code, collector.specs]).toEqual([2, []])
    expect(err).toBe(`3 problems; nothing was done.
  TOPOLOGY     "mehs" is not a topology; did you mean mesh?
  --bitrate    "10X" is not a bitrate; write 10G, 50mbit or 0 for unlimited
  --interface  no node has "net9"; did you mean net0?
`)
  })

  test('an unknown run exits with 2', async () => {
    const { code, err } = await runCommand(await collectorWith(), 'runs export 0000')
    expect([code, err]).toEqual([2, 'there is no run 0000\n'])
  })

  test('plaintext to an address other than loopback is refused, with the options to use', async () => {
    const { code, err } = await runCommand({ address: '192.0.2.1:50050' }, 'nodes')
    expect(code).toBe(2)
    expect(err).toContain('give --tls-ca, --tls-cert and --tls-key, or --insecure for plaintext')
  })
})

test('without a collector the message names the address and what to do, and the exit code is 3', async () => {
  const { code, err } = await runCommand({ address: '127.0.0.1:1' }, 'nodes')
  expect(code).toBe(3)
  expect(err).toMatch(/^No collector answers at 127\.0\.0\.1:1: connection refused\nStart one with/)
})

describe('--json', () => {
  const errorOf = async (words: string, address = '127.0.0.1:1') => {
    const { code, out, err } = await runCommand({ address }, words)
    expect(err).toBe('')
    const { error } = JSON.parse(out)
    expect(error.exitCode).toBe(code)
    return error
  }

  test('wrong usage is a JSON document with each problem', async () => {
    expect(await errorOf('run mesh --test png --duration 5min --json')).toMatchObject({
      exitCode: 2,
      problems: [
        { place: '--test', message: '"png" is not one of ping, iperf; did you mean ping?' },
        { place: '--duration', message: '"5min" is not a duration; write 5m' },
      ],
    })
  })

  test('so are an unknown command and a missing collector', async () => {
    expect(await errorOf('nods --json')).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('Did you mean nodes?'),
    })
    expect(await errorOf('nodes --json')).toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('No collector answers at 127.0.0.1:1'),
    })
  })
})

test('$MESHGAUGE_COLLECTOR names the collector', async () => {
  const { address } = await collectorWith()
  const terminal = testTerminal({ env: { MESHGAUGE_COLLECTOR: address } })
  const { code, out } = await runCommand(undefined, 'runs list', terminal)
  expect(code).toBe(0)
  expect(out).toContain(RUN_ID.slice(0, 13))
})

test('plan prints the plan in one sentence', async () => {
  const collector = await collectorWith()
  const { out } = await runCommand(collector, 'plan mesh --interface net1')
  expect(out).toBe(
    'mesh of 4 nodes on net1: 12 pairs in 3 rounds (the fewest possible). Certificate verified.\n',
  )
})

test('nodes lists a silent node with the reason', async () => {
  const nodes = [
    Node.fromPartial({
      name: 'gpu-01',
      state: NodeState.NODE_STATE_READY,
      interfaces: ['net1'],
      description: {
        agentVersion: '0.1.0',
        interfaces: [{ name: 'net1', speedBitsPerSecond: 100e9, state: 'up' }],
        engines: [
          { name: 'iperf3', version: '3.18', test: 'iperf', available: true },
          { name: 'fping', test: 'ping', reasons: ['fping is not on PATH'] },
        ],
      },
    }),
    Node.fromPartial({
      name: 'gpu-07',
      state: NodeState.NODE_STATE_SILENT,
      stateReason: 'connection refused',
    }),
  ]
  const collector = await collectorWith({ fleet: { listNodes: async () => ({ nodes }) } })
  const { code, out } = await runCommand(collector, 'nodes')
  expect(code).toBe(0)
  expect(out).toBe(`NODE     STATE    AGENT   INTERFACES   ENGINES       LAST PING   LAST IPERF
gpu-01   ready    0.1.0   net1 100G    iperf3 3.18   never       never
gpu-07   silent   …       …            …             never       ✘ connection refused
1 of 2 nodes is silent
no fping on gpu-01: fping is not on PATH
1 of 2 nodes ready; collector ${collector.address}
`)
})

test('check prints the reasons and a table, and exits with 1 if a check fails', async () => {
  const response = (node: string, check: string, status: CheckStatus, reasons: string[] = []) =>
    RunChecksResponse.fromPartial({ node, result: CheckResult.fromPartial({ check, status, reasons }) })
  let asked: unknown
  const collector = await collectorWith({
    fleet: {
      runChecks: async function* (request) {
        asked = request.parameters
        yield response('n10', 'interfaces', CheckStatus.CHECK_STATUS_FAIL, ['net1 is down'])
        yield response('n2', 'interfaces', CheckStatus.CHECK_STATUS_PASS)
      },
    },
  })
  const { code, out } = await runCommand(collector, 'check all --param targets=["10.0.0.1"] --param level=2')
  expect(asked).toEqual({ targets: ['10.0.0.1'], level: 2 })
  expect(code).toBe(1)
  expect(out).toBe(`2 nodes, 1 pass, 1 fail
  ✘ n10 interfaces: net1 is down

NODE   INTERFACES
n2     ✔ pass
n10    ✘ fail
`)
})
