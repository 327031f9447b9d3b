import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import { Node, NodeState, RunChecksResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../lib/errors.ts'
import { type FakeCollector, type Script, startFakeCollector } from './fixtures/fake-collector.ts'
import { iperfPair, meshOf, RUN_ID, runOf, slowSender } from './fixtures/runs.ts'
import { type TestTerminal, testTerminal } from './fixtures/terminal.ts'
import { runProgram } from './program.ts'

const pairs = meshOf(4, (source, destination) => iperfPair(source, destination, 9.4e9))
const completed = () => runOf(RunState.RUN_STATE_COMPLETED)
const running = () => runOf(RunState.RUN_STATE_RUNNING)

const opened: FakeCollector[] = []
const collectorWith = async (script: Partial<Script> = {}, port?: number): Promise<FakeCollector> => {
  const collector = await startFakeCollector({ run: completed(), results: pairs, ...script }, port)
  opened.push(collector)
  return collector
}
afterEach(async () => {
  for (const collector of opened.splice(0)) await collector.close()
})

const type = async (
  collector: { address: string } | undefined,
  words: string,
  terminal: TestTerminal = testTerminal(),
) => {
  const where = collector ? ['--collector', collector.address] : []
  const code = await runProgram([...words.split(' '), ...where], terminal)
  return { code, out: terminal.out(), err: terminal.err(), terminal }
}

describe('run', () => {
  test('starts a run, follows it, and prints the answer', async () => {
    const collector = await collectorWith({ pageSize: 5 })
    const { code, out } = await type(collector, 'run mesh --test iperf -t 2s -4 --nodes n1,n2 --no-delay')
    expect(code).toBe(0)
    expect(out).toMatch(/^Healthy\. No culprit among 4 nodes and 4 interfaces\.\n\nnet1, Gbit\/s received/)
    expect(collector.specs[0]).toMatchObject({
      topology: { nodes: ['n1', 'n2'] },
      test: { $case: 'iperf', value: { options: { duration: { seconds: 2 }, noDelay: true, family: 1 } } },
    })
  })

  test('--json prints one document, all pages of it', async () => {
    const { code, out } = await type(await collectorWith({ pageSize: 5 }), 'run mesh --test iperf --json')
    const document = JSON.parse(out) as { run: { id: string }; pairs: unknown[] }
    expect(code).toBe(0)
    expect(document.run.id).toBe(RUN_ID)
    expect(document.pairs).toHaveLength(12)
  })

  test('a verdict is exit code 1', async () => {
    const run = runOf(RunState.RUN_STATE_COMPLETED, { verdicts: [slowSender()] })
    const { code, out } = await type(await collectorWith({ run }), 'run mesh --test iperf')
    expect(code).toBe(1)
    expect(out).toMatch(/^✘ n3 sends badly on net1/)
  })

  test('--detach prints the id and leaves', async () => {
    const { code, out } = await type(await collectorWith({ run: running() }), 'run mesh --test ping --detach')
    expect([code, out]).toEqual([0, `${RUN_ID}\n`])
  })

  test('a connection that breaks is taken up again', async () => {
    let calls = 0
    const collector = await collectorWith({
      run: running(),
      watch: async function* () {
        calls++
        yield { run: calls < 3 ? running() : completed() }
      },
    })
    const { code, err } = await type(collector, 'run mesh --test iperf')
    expect([code, calls]).toEqual([0, 3])
    expect(err).toContain('the run goes on there. Trying again.')
  })

  test('a collector that stays away: how to follow the run later', async () => {
    const terminal = { ...testTerminal(), clock: { ...testTerminal().clock, sleep: () => sleep(1) } }
    const collector: FakeCollector = await collectorWith({
      run: running(),
      watch: async function* () {
        yield { run: running() }
        void collector.close()
        await sleep(60_000)
      },
    })
    const { code, err } = await type(collector, 'run mesh --test iperf', terminal as TestTerminal)
    expect(code).toBe(3)
    expect(err).toContain(`The run goes on there. Follow it with "meshgauge runs show ${RUN_ID}".`)
  })
})

describe('Ctrl-C', () => {
  const cancellable = () => {
    const cancelled = new AbortController()
    return collectorWith({
      run: running(),
      watch: async function* () {
        yield { run: running() }
        if (!cancelled.signal.aborted) await once(cancelled.signal, 'abort')
        yield { run: runOf(RunState.RUN_STATE_CANCELLED) }
      },
      onCancel: () => cancelled.abort(),
    })
  }

  test('cancels the run and shows what was measured', async () => {
    const collector = await cancellable()
    const terminal = testTerminal()
    const done = type(collector, 'run mesh --test iperf', terminal)
    await terminal.errHas('round 3 of 3')
    terminal.interrupt()
    const { code, out } = await done
    expect([code, collector.cancelled]).toEqual([130, [RUN_ID]])
    expect(out).toContain('The run was cancelled; this is what was measured until then.')
    expect(out).toContain('net1, Gbit/s received')
  })

  test('twice leaves at once', async () => {
    const collector = await collectorWith({
      run: running(),
      watch: async function* (_request, { signal }) {
        yield { run: running() }
        await once(signal, 'abort')
      },
    })
    const terminal = testTerminal()
    const done = type(collector, 'run mesh --test iperf', terminal)
    await terminal.errHas('round 3 of 3')
    terminal.interrupt()
    terminal.interrupt()
    const { code, err, out } = await done
    expect([code, out]).toEqual([130, ''])
    expect(err).toContain(`"meshgauge runs show ${RUN_ID}"`)
  })

  test('while looking at a run of someone else only stops looking', async () => {
    const collector = await cancellable()
    const terminal = testTerminal()
    const done = type(collector, 'runs show', terminal)
    await terminal.errHas('round 3 of 3')
    terminal.interrupt()
    expect((await done).code).toBe(130)
    expect(collector.cancelled).toEqual([])
  })
})

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
        throw new OperatingError('SPEC_INVALID', 'the run is not valid', [
          { field: 'spec.topology.nodes[0]', description: 'there is no node n9' },
          { field: 'spec.interfaces[0]', description: 'no node has net9' },
        ])
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
        identity: { agentVersion: '0.1.0' },
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
