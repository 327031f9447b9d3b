import { execa, execaSync } from 'execa'
import { expect, test } from 'vitest'
import { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import { PingTest, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { freePort } from '../../collector/autopilot/testing/free-port.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { endpointPair, failedPair, iperfPair, pingPair, RUN_ID, runOf } from '../testing/run-samples.ts'
import { netperfOrchestrateDocument } from './netperf-orchestrate.ts'

/** --bind-dev and -I need root. */
const hasPrograms =
  process.getuid?.() === 0 &&
  execaSync('sh', ['-c', 'command -v iperf3 fping'], { reject: false }).exitCode === 0

const completed = runOf(RunState.RUN_STATE_COMPLETED)

test("a pair measured by netperf has netperf's lines", () => {
  const pair = PairResult.fromPartial({
    ...endpointPair('n1', 'n2'),
    outcome: Outcome.OUTCOME_MEASURED,
    engine: { name: 'netperf', version: '2.7.1' },
    startTime: toTimestamp(new Date(1000)),
    endTime: toTimestamp(new Date(32_200)),
    values: {
      $case: 'iperf',
      value: IperfResult.fromPartial({ programValues: { THROUGHPUT: '9400.12', P99_LATENCY: '50' } }),
    },
  })
  expect(netperfOrchestrateDocument(completed, [pair])).toEqual([
    {
      client: 'n1',
      server: 'n2',
      client_address: '10.0.0.1',
      server_address: '10.0.0.2',
      success: true,
      exit_code: 0,
      elapsed_time: 31.2,
      stdout: 'THROUGHPUT=9400.12\nP99_LATENCY=50\n',
      command: expect.stringMatching(
        /^netperf -H 10\.0\.0\.2,4 -p 12865 -L 10\.0\.0\.1,4 -t TCP_STREAM -l 2 .* -- -P ,12866 /,
      ),
    },
  ])
})

test('pairs of other programs have the same format, and failed pairs their reason', () => {
  const [iperf, ping, refused] = netperfOrchestrateDocument(completed, [
    iperfPair('n1', 'n2', 9.4e9),
    pingPair('n1', 'n3', 0.1, 0.00025),
    failedPair('n2', 'n1', Outcome.OUTCOME_REFUSED, 'connection refused'),
  ])
  expect(iperf!.stdout).toBe(
    'THROUGHPUT=9400.00\nTHROUGHPUT_UNITS=10^6bits/s\nREMOTE_RECV_THROUGHPUT=9400.00\nLOCAL_TRANSPORT_RETRANS=3\n',
  )
  expect(ping!.stdout).toContain('LOSS_RATIO=0.1\nMIN_LATENCY=250.00\nMEAN_LATENCY=250.00\n')
  expect(refused).toMatchObject({
    success: false,
    exit_code: -1,
    stdout: '',
    stderr: 'refused: connection refused',
  })
  expect(iperf).not.toHaveProperty('stderr')
  expect(iperf!.command).toMatch(/^iperf3 -c 10\.0\.0\.2 -p 5201 .*-B 10\.0\.0\.1 --bind-dev net1 -t 2 /)
})

/** The pair on loopback, so that its command can run here. */
const onLoopback = (pair: PairResult): PairResult => {
  const end = { interface: 'lo', address: '127.0.0.1' }
  return { ...pair, source: { node: 'n1', ...end }, destination: { node: 'n2', ...end } }
}

const runShell = (command: string) => execaSync('sh', ['-c', command], { reject: false, all: true })

test.skipIf(!hasPrograms)(
  'the command of a pair runs in a shell (skipped: needs root, iperf3 and fping)',
  async () => {
    const iperf = runOf(RunState.RUN_STATE_COMPLETED)
    const [pair] = netperfOrchestrateDocument(iperf, [onLoopback(iperfPair('n1', 'n2', 1e9))])
    const port = String(await freePort())
    const server = execa('sh', ['-c', `exec iperf3 -s -1 -p ${port}`])
    await expect
      .poll(() => runShell(pair!.command.replace('-p 5201', `-p ${port}`).replace('-t 2', '-t 1')).exitCode)
      .toBe(0)
    await server
    const spec = {
      ...iperf.spec!,
      test: { $case: 'ping' as const, value: PingTest.fromPartial({ count: 1 }) },
    }
    const [ping] = netperfOrchestrateDocument({ ...iperf, spec }, [
      onLoopback(pingPair('n1', 'n2', 0, 0.001)),
    ])
    expect(ping!.command).toMatch(/^fping -D -c 1 .*-I lo 127\.0\.0\.1$/)
    expect(runShell(ping!.command)).toMatchObject({ exitCode: 0, all: expect.stringContaining('0% loss') })
  },
)

test('runs export writes jsonl, netperf-orchestrate and csv, and refuses other formats', async () => {
  const collector = await collectorWith()
  const lines = (await runCommand(collector, 'runs export latest --format jsonl')).out.trim().split('\n')
  expect(lines).toHaveLength(12)
  for (const line of lines)
    expect(JSON.parse(line)).toMatchObject({
      run: { id: RUN_ID, test: 'iperf' },
      outcome: 'measured',
      iperf: { bitsPerSecond: 9.4e9 },
    })
  const list = JSON.parse(
    (await runCommand(collector, 'runs export latest --format netperf-orchestrate')).out,
  )
  expect(list).toHaveLength(12)
  const csv = (await runCommand(collector, 'runs export latest --format csv')).out.trim().split('\n')
  expect(csv).toHaveLength(13)
  expect(new Set(csv.map((line) => line.split(',').length)).size).toBe(1)
  const { code, err } = await runCommand(collector, 'runs export latest --format xml')
  expect([code, err]).toEqual([
    2,
    '1 problem; nothing was done.\n  --format  "xml" is not one of json, jsonl, csv, arcaflow, netperf-orchestrate\n',
  ])
  await closeCollectors()
})
