import { afterEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Node, NodeState, RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { OperatingError } from '../lib/errors.ts'
import { RUN_ID } from './fixtures/runs.ts'
import { testTerminal } from './fixtures/terminal.ts'
import { closeCollectors, collectorWith, type } from './fixtures/typing.ts'

afterEach(closeCollectors)

describe('wrong usage', () => {
  test('all problems of options, unknown ones too, and nothing is sent', async () => {
    const collector = await collectorWith()
    const { code, err } = await type(collector, 'run msh --tset iperf --duration 5min --test png --tls-ca x')
    expect(code).toBe(2)
    expect(err).toBe(`6 problems; nothing was done.
  --tset      is not an option; did you mean --test?
  --tls-cert  is missing: TLS needs --tls-ca, --tls-cert and --tls-key
  --tls-key   is missing: TLS needs --tls-ca, --tls-cert and --tls-key
  TOPOLOGY    "msh" is not a topology; did you mean mesh?
  --test      "png" is none of ping, iperf
  --duration  "5min" is not a duration; write 5m
`)
    expect(collector.specs).toEqual([])
  })

  test('what the collector finds wrong, each violation on its line', async () => {
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
    const { code, err } = await type(collector, 'run mesh --test iperf --nodes n9 --interface net9')
    expect(code).toBe(2)
    expect(err).toBe(`2 problems; nothing was done.
  spec.topology.nodes[0]  there is no node n9
  spec.interfaces[0]      no node has net9
`)
  })

  test('a run that does not exist', async () => {
    const { code, err } = await type(await collectorWith(), 'runs export 0000')
    expect([code, err]).toEqual([2, 'there is no run 0000\n'])
  })

  test('plaintext off loopback is refused with what to do', async () => {
    const { code, err } = await type({ address: '192.0.2.1:50050' }, 'nodes')
    expect(code).toBe(2)
    expect(err).toContain('give --tls-ca, --tls-cert and --tls-key, or --insecure for plaintext')
  })
})

test('no collector: where it was looked for and what to do, exit code 3', async () => {
  const { code, err } = await type({ address: '127.0.0.1:1' }, 'nodes')
  expect(code).toBe(3)
  expect(err).toMatch(/^No collector answers at 127\.0\.0\.1:1: connection refused\nStart one with/)
})

test('$MESHGAUGE_COLLECTOR names the collector', async () => {
  const { address } = await collectorWith()
  const terminal = testTerminal({ env: { MESHGAUGE_COLLECTOR: address } })
  const { code, out } = await type(undefined, 'runs list', terminal)
  expect(code).toBe(0)
  expect(out).toContain(RUN_ID)
})

test('plan says what a run would do', async () => {
  const collector = await collectorWith()
  const { out } = await type(collector, 'plan mesh --interface net1')
  expect(out).toBe(
    'mesh of 4 nodes on net1: 12 pairs in 3 rounds (the fewest possible). Certificate verified.\n',
  )
})

test('nodes: silent ones carry the reason', async () => {
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
  const { code, out } = await type(collector, 'nodes')
  expect(code).toBe(0)
  expect(out).toBe(`NODE     STATE    AGENT   INTERFACES   ENGINES       LAST PING   LAST IPERF
gpu-01   ready    0.1.0   net1 100G    iperf3 3.18   never       never
gpu-07   silent   …       …            …             never       ✘ connection refused
1 node of 2 silent
gpu-01 without fping: fping is not on PATH
`)
})

test('check: a table, the reasons, and exit code 1 when one fails', async () => {
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
  const { code, out } = await type(collector, 'check all --param targets=["10.0.0.1"] --param level=2')
  expect(asked).toEqual({ targets: ['10.0.0.1'], level: 2 })
  expect(code).toBe(1)
  expect(out).toBe(`2 nodes, 1 pass, 1 fail
  ✘ n10 interfaces: net1 is down

NODE   INTERFACES
n2     ✔ pass
n10    ✘ fail
`)
})
