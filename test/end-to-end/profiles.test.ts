import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findNetperf, NO_NETPERF } from '../../agent/engines/netperf/fixtures/program.ts'
import { eventually } from '../testing/eventually.ts'
import { describeLab } from '../testing/lab.ts'
import { processes } from '../testing/process-tree.ts'
import { type Document, LAB_RATE, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

type Miss = { source: { node: string }; destination: { node: string }; value?: number }
type Expected = {
  name: string
  limit: number
  passed: boolean
  fleetValue?: number
  passedCount: number
  failedCount: number
  failed: Miss[]
}
type Step = Omit<Document, 'summary' | 'pairs'> & {
  name: string
  summary: { expectations?: Expected[]; verdicts: unknown[] }
  pairs: (Document['pairs'][number] & {
    iperf?: {
      transactions?: { perSecond: number; latencySeconds: Record<string, number> }
      programValues?: Record<string, string>
    }
  })[]
}
type ProfileDocument = { profile: string; passed: boolean; steps: Step[]; exitCode: number }
type Event = {
  step?: number
  run?: { id: string; state: string; spec: { label: string; profile: string } }
  passed?: boolean
}

const netperf = findNetperf()
const folder = mkdtempSync(join(tmpdir(), 'meshgauge-profiles-'))
const fileOf = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const PROFILE = `name: small
tests:
  - { name: probes, test: ping, count: 5, interval: 50ms, cooldown: 200ms }
  - { name: stream, test: iperf, duration: 1s }
expectations:
  packet_loss_max: 0%
  throughput_min: ${Math.round((0.5 * LAB_RATE) / 1e6)}M
`

let fleet: TestFleet
const expectationsOf = ({ summary }: Step) => summary.expectations ?? []
const service = 'meshgauge.collector.v1.ProfileService'

describeLab('profiles on a lab of 3 hosts', () => {
  beforeAll(async () => {
    // Agents look for programs on their own PATH.
    const path = [...(netperf ? [dirname(netperf)] : []), process.env.PATH].join(':')
    fleet = await startTestFleet({ nodes: 3, environment: async () => ({ PATH: path }) })
    await fleet.untilReady()
  })
  afterEach(async () => {
    await fleet.heal()
  })
  afterAll(async () => {
    fleet.client.close()
    await fleet.close()
    rmSync(folder, { recursive: true })
  })

  const runProfile = async (...args: string[]): Promise<ProfileDocument> => {
    const { stdout, stderr, exitCode } = await fleet.meshgauge('run', '--profile', ...args, '--json')
    try {
      return { ...JSON.parse(stdout), exitCode }
    } catch {
      throw new Error(`not JSON (exit ${exitCode}):\n${stdout}\n${stderr}`)
    }
  }

  test('a profile whose expectations are met returns a document for each step and exits with 0', async () => {
    const document = await runProfile(
      fileOf('small.yaml', PROFILE),
      '--interface',
      'net0',
      '--label',
      'monday',
    )
    expect(document).toMatchObject({ profile: 'small', passed: true, exitCode: 0 })
    expect(document.steps.map(({ name, run }) => [name, run.state, run.label])).toEqual([
      ['probes', 'completed', 'monday'],
      ['stream', 'completed', 'monday'],
    ])
    const [probes, stream] = document.steps.map(expectationsOf)
    expect(probes).toEqual([
      expect.objectContaining({ name: 'packet_loss_max', passed: true, fleetValue: 0, passedCount: 6 }),
    ])
    expect(stream).toEqual([
      expect.objectContaining({ name: 'throughput_min', passed: true, passedCount: 6 }),
    ])
    expect(
      new Set(document.steps.flatMap(({ pairs }) => pairs.map(({ source }) => source.interface))),
    ).toEqual(new Set(['net0']))
    // cooldown: 200ms
    const pause = Date.parse(document.steps[1]!.run.startTime) - Date.parse(document.steps[0]!.run.endTime)
    expect(pause).toBeGreaterThanOrEqual(200)
  })

  test('a slow sender fails its expectation, names the pairs and exits with 1; the other steps still run', async () => {
    await fleet.fault('rate:node-2:net0:tx:40mbit')
    const file = fileOf('small.yaml', PROFILE)
    const document = await runProfile(file, '--interface', 'net0')
    expect(document).toMatchObject({ passed: false, exitCode: 1 })
    expect(expectationsOf(document.steps[0]!)[0]).toMatchObject({ passed: true })
    const [missed] = expectationsOf(document.steps[1]!)
    expect(missed).toMatchObject({ name: 'throughput_min', passed: false, passedCount: 4, failedCount: 2 })
    expect(
      missed!.failed.map(({ source, destination }) => `${source.node}>${destination.node}`).sort(),
    ).toEqual(['node-2>node-1', 'node-2>node-3'])
    for (const { value } of missed!.failed) expect(value! / 40e6).toBeGreaterThan(0.8)
    const { stdout, exitCode } = await fleet.meshgauge('run', '--profile', file, '--interface', 'net0')
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(
      /✘ throughput_min, at least 50.0 Mbit\/s: 2 of 6 pairs miss it: node-2 → node-[13] net0 3\d/,
    )
    expect(stdout).toMatch(
      /✘ +throughput_min +at least 50.0 Mbit\/s +3[\d.]+ Mbit\/s +node-2 → node-[13] net0/,
    )
    expect(stdout).toMatch(/✘ Profile small failed: 1 of 2 expectations missed\.$/)
  })

  test('an unreachable pair fails an expectation without a value; --expect applies to a single run', async () => {
    await fleet.fault('cut:node-3:net0:both')
    const document = await fleet.json(
      ...['run', 'mesh', '--test', 'ping', '--count', '3', '--ping-interval', '100ms', '--timeout', '200ms'],
      ...['--interface', 'net0', '--expect', 'p99_latency_max=1s', '--expect', 'error_rate_max=50%'],
    )
    expect(document.exitCode).toBe(1)
    const [latency, errors] = (document as unknown as Step).summary.expectations!
    expect(latency).toMatchObject({ passed: false, failedCount: 4, passedCount: 2 })
    expect(latency!.failed.every((miss) => !('value' in miss))).toBe(true)
    expect(errors!.fleetValue).toBeCloseTo(4 / 6, 6)
  })

  test('an expectation that the test cannot measure and an invalid profile exit with 2 and start no run', async () => {
    const wrong = await fleet.meshgauge('run', 'mesh', '--test', 'ping', '--expect', 'throughput_min=9G')
    expect([wrong.exitCode, wrong.stdout]).toEqual([2, ''])
    expect(wrong.stderr).toContain('--expect  throughput_min is measured by iperf with TCP')
    const bad = fileOf('bad.yaml', 'name: bad\ntests: [{ name: a, test: iperf, durration: 5s }]\n')
    const refused = await fleet.meshgauge('run', '--profile', bad)
    expect([refused.exitCode, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toContain(`${bad}:2:33  tests[0].durration unknown key; did you mean duration?`)
    const unknownNode = await fleet.meshgauge('run', '--profile', 'baseline', '--nodes', 'node-9')
    expect(unknownNode.exitCode).toBe(2)
    expect(unknownNode.stderr).toContain('"node-9" names no node of the fleet')
    const unknown = await fleet.meshgauge('run', '--profile', 'basline')
    expect([unknown.exitCode, unknown.stderr]).toEqual([
      2,
      'there is no profile "basline"; did you mean baseline?',
    ])
  })

  test('--dry-run of every built-in profile plans all of its tests and starts no run', async () => {
    const before = await fleet.meshgauge('runs', 'list', '--json')
    const { stdout } = await fleet.meshgauge('profiles', 'list', '--json')
    const { profiles } = JSON.parse(stdout) as { profiles: { name: string; steps: unknown[] }[] }
    expect(profiles.map(({ name }) => name)).toEqual([
      'baseline',
      'throughput',
      'latency',
      'jitter',
      'stress',
      'datacenter',
      'cloud',
      'lossy',
    ])
    for (const { name, steps } of profiles) {
      const planned = await fleet.meshgauge('run', '--profile', name, '--dry-run', '--json')
      expect(planned.exitCode).toBe(0)
      expect(JSON.parse(planned.stdout)).toMatchObject({
        profile: name,
        dryRun: true,
        steps: steps.map(() => ({ plan: { nodes: 3, pairs: 12, certified: true } })),
      })
    }
    expect((await fleet.meshgauge('runs', 'list', '--json')).stdout).toBe(before.stdout)
  })

  test('a caller that cancels RunProfile cancels the current run, and no further run starts', async () => {
    const yaml = `name: long
tests:
  - { name: first, test: iperf, duration: 30s }
  - { name: second, test: iperf, duration: 30s }
`
    const stream = fleet.client.stream<Event>(service, 'RunProfile', {
      profile: { yaml, file: 'long.yaml' },
      label: 'cancelled caller',
    })
    const ended = (async () => {
      for await (const { run } of stream) if (run?.state === 'RUN_STATE_RUNNING') stream.cancel()
    })()
    await expect(ended).rejects.toThrow(/CANCELLED/)
    const mine = async () => {
      const { runs } = await fleet.client.call<{ runs: NonNullable<Event['run']>[] }>(
        'meshgauge.collector.v1.RunService',
        'ListRuns',
        {},
      )
      return runs
        .filter(({ spec }) => spec.label === 'cancelled caller')
        .map(({ state, spec }) => [state, spec.profile])
    }
    const states = await eventually(mine, ([first]) => first?.[0] === 'RUN_STATE_CANCELLED')
    expect(states).toEqual([['RUN_STATE_CANCELLED', 'long']])
  })

  test('ResolveProfile returns run specs, or field violations', async () => {
    const { profile } = await fleet.client.call<{
      profile: { steps: { spec: { expectations: object[] } }[] }
    }>(service, 'ResolveProfile', { profile: { name: 'baseline' } })
    expect(profile.steps[0]!.spec.expectations).toEqual([
      { name: 'mean_latency_max', limit: 0.01 },
      { name: 'packet_loss_max', limit: 0.01 },
    ])
    const bad = fleet.client.call(service, 'ResolveProfile', { profile: { yaml: 'name: x\ntests: []\n' } })
    await expect(bad).rejects.toThrow(/INVALID_ARGUMENT.*at least one test is needed/s)
  })

  describe.skipIf(!netperf)(netperf ? 'with netperf' : `with netperf (skipped: ${NO_NETPERF})`, () => {
    const measuringPrograms = () => processes().filter(({ command }) => /netserver .*-D -f -N/.test(command))
    afterEach(async () => {
      await eventually(measuringPrograms, (found) => found.length === 0)
    })

    test('latency tests measure transactions over TCP and UDP and check their expectations', async () => {
      const yaml = `name: short latency
global: { duration: 1s, interfaces: [net0], topology: ring }
tests:
  - { name: tcp, direction: rr, request_size: 64, warmup: 1s }
  - { name: udp, direction: rr, protocol: udp }
  - { name: connections, direction: rr, connection: true }
expectations: { p99_latency_max: 1s, transaction_rate_min: 10/s, connection_rate_min: 1/s }
`
      const document = await runProfile(fileOf('latency.yaml', yaml))
      for (const step of document.steps) {
        for (const pair of step.pairs) {
          expect(pair).toMatchObject({ outcome: 'measured', engine: { name: 'netperf' } })
          const { perSecond, latencySeconds } = pair.iperf!.transactions!
          expect(perSecond).toBeGreaterThan(10)
          const { min, p50, p90, p99, max } = latencySeconds
          expect([min, p50, p90, p99, max]).toEqual([min, p50, p90, p99, max].sort((a, b) => a! - b!))
        }
        expect(step.pairs).toHaveLength(3)
      }
      expect(document).toMatchObject({ passed: true, exitCode: 0 })
      expect(expectationsOf(document.steps[2]!).map(({ name }) => name)).toContain('connection_rate_min')
    })

    test('arguments after -- are those of netperf, and an export has the format of its orchestration guide', async () => {
      const run =
        'run matrix --clients node-1 --servers node-2 --test iperf --interface net0 --engine netperf --json'
      const netperfArguments = '-- -d send -l 1 -o THROUGHPUT,LOCAL_SEND_SIZE'
      const { stdout, exitCode } = await fleet.meshgauge(...`${run} ${netperfArguments}`.split(' '))
      expect(exitCode).toBe(0)
      const step = JSON.parse(stdout) as Step
      expect(step.pairs[0]!.iperf!.bitsPerSecond / LAB_RATE).toBeGreaterThan(0.7)
      expect(step.pairs[0]!.iperf!.programValues!.LOCAL_SEND_SIZE).toMatch(/^\d+$/)
      const exported = await fleet.meshgauge('runs', 'export', 'latest', '--format', 'netperf-orchestrate')
      expect(JSON.parse(exported.stdout)).toEqual([
        {
          client: 'node-1',
          server: 'node-2',
          client_address: step.pairs[0]!.source.address,
          server_address: step.pairs[0]!.destination.address,
          success: true,
          exit_code: 0,
          elapsed_time: expect.any(Number),
          stdout: expect.stringMatching(/^THROUGHPUT=\d+\.\d\d\nTHROUGHPUT_UNITS=10\^6bits\/s\n/),
          command: expect.stringMatching(/^netperf /),
        },
      ])
      const refused = await fleet.meshgauge(
        ...'run mesh --test iperf -- -H 10.9.9.9 -F /etc/shadow'.split(' '),
      )
      expect([refused.exitCode, refused.stdout]).toEqual([2, ''])
      expect(refused.stderr).toContain('-H chooses the peer; the plan does')
      expect(refused.stderr).toContain('-F would read a file')
    })
  })
})
