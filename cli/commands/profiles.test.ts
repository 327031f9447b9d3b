import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Profile, RunProfileRequest } from '#proto/meshgauge/collector/v1/profile.ts'
import { ExpectationResult } from '#proto/meshgauge/collector/v1/result.ts'
import { type Run, RunSpec, RunState, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../lib/errors.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { closeCollectors, collectorWith, runCommand } from '../testing/run-command.ts'
import { endpointPair, judgementOf, runOf } from '../testing/run-samples.ts'
import { testTerminal } from '../testing/test-terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'meshgauge-profiles-'))
afterEach(closeCollectors)
afterAll(() => rmSync(folder, { recursive: true }))
const fileOf = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const spec = RunSpec.fromPartial({
  topology: { kind: TopologyKind.TOPOLOGY_KIND_MESH },
  test: { $case: 'iperf', value: {} },
  expectations: [{ name: 'throughput_min', limit: 9e9 }],
})
const profile: Profile = {
  name: 'nightly',
  description: 'every night',
  version: '1',
  yaml: 'name: nightly\n',
  steps: [
    { name: 'first', spec, cooldown: toDuration(2) },
    { name: 'second', spec, cooldown: undefined },
  ],
}
const resultOf = (passed: boolean) =>
  ExpectationResult.fromPartial({
    expectation: { name: 'throughput_min', limit: 9e9 },
    passed,
    fleetValue: 9.1e9,
    passedCount: passed ? 12 : 11,
    failedCount: passed ? 0 : 1,
    failed: passed ? [] : [{ pair: endpointPair('n3', 'n1'), value: 48e6 }],
    worst: { pair: endpointPair('n3', 'n1'), value: passed ? 9.05e9 : 48e6 },
  })
const ended = (passed: boolean, changes: Partial<Run> = {}): Run => {
  const judgement = passed
    ? judgementOf('healthy', 'Healthy. No culprit among 4 nodes and 4 interfaces.')
    : judgementOf('bad', '1 expectation was missed.')
  const run = runOf(RunState.RUN_STATE_COMPLETED, { judgement, ...changes })
  return { ...run, summary: { ...run.summary!, expectations: [resultOf(passed)] } }
}

const profilesWith = (passes: readonly boolean[], requests: RunProfileRequest[] = []) =>
  collectorWith({
    profiles: {
      listProfiles: async () => ({ profiles: [profile] }),
      resolveProfile: async ({ profile: source }) => {
        if (source?.source?.$case === 'name' && source.source.value !== 'nightly')
          throw new OperatingError('NOT_FOUND', 'there is no profile')
        return { profile }
      },
      runProfile: async function* (request) {
        requests.push(request)
        for (const [step, passed] of passes.entries()) {
          yield { step, run: runOf(RunState.RUN_STATE_RUNNING) }
          yield { step, run: ended(passed) }
        }
        yield { step: passes.length - 1, run: ended(passes.at(-1)!), passed: passes.every(Boolean) }
      },
    },
  })

describe('profiles', () => {
  test('list prints a table, show prints the YAML text', async () => {
    const collector = await profilesWith([])
    const { code, out } = await runCommand(collector, 'profiles list')
    expect([code, out]).toEqual([
      0,
      'NAME      TESTS   EXPECTATIONS   DESCRIPTION\nnightly   2       2              every night\n',
    ])
    expect((await runCommand(collector, 'profiles show nightly')).out).toBe('name: nightly\n')
    const document = JSON.parse((await runCommand(collector, 'profiles show nightly --json')).out)
    expect(document).toMatchObject({
      name: 'nightly',
      yaml: 'name: nightly\n',
      steps: [{ name: 'first', test: 'iperf', topology: 'mesh', cooldownSeconds: 2 }, { name: 'second' }],
    })
    expect((await runCommand(collector, 'profiles show nightmare')).code).toBe(2)
  })

  test('validate needs no collector, lists all problems and exits with 2', async () => {
    const good = fileOf(
      'good.yaml',
      'name: mine\ntests: [{ name: a, test: ping }]\nexpectations: { packet_loss_max: 1% }\n',
    )
    expect(await runCommand(undefined, `profiles validate ${good}`)).toEqual({
      code: 0,
      out: `${good}: profile "mine" is valid: 1 test, 1 expectation.\n  a: packet_loss_max 1.0 %\n`,
      err: '',
    })
    const bad = fileOf(
      'bad.yaml',
      'name: mine\ntests: [{ name: a, test: ping, counts: 5 }]\nexpectations: { jitter_max: 9G }\n',
    )
    const { code, err, out } = await runCommand(undefined, `profiles validate ${bad}`)
    expect([code, out]).toEqual([2, ''])
    expect(err.replaceAll(bad, 'bad.yaml')).toBe(
      `bad.yaml has 2 problems; nothing was started.
  bad.yaml:2:32   tests[0].counts          unknown key; did you mean count?
  bad.yaml:3:29   expectations.jitter_max  "9G" is a bitrate, and jitter_max is a time: write 50us, 2ms or 1s
`,
    )
    expect((await runCommand(undefined, 'profiles validate /nonexistent.yaml')).err).toContain(
      'there is no such file',
    )
    expect((await runCommand(undefined, 'profiles validate')).code).toBe(2)
  })
})

describe('run --profile', () => {
  test('prints the report of each test with its expectations, then the answer', async () => {
    const requests: RunProfileRequest[] = []
    const collector = await profilesWith([true, true], requests)
    const { code, out, err } = await runCommand(
      collector,
      'run --profile nightly --nodes n1,n2 --interface net1 --label friday',
    )
    expect(code).toBe(0)
    expect(requests[0]).toMatchObject({
      profile: { source: { $case: 'name', value: 'nightly' } },
      nodes: ['n1', 'n2'],
      interfaces: ['net1'],
      label: 'friday',
    })
    expect(out).toContain('1 of 2: first\n\nHealthy.')
    expect(out).toContain('2 of 2: second')
    expect(out).toContain(
      `    EXPECTED         LIMIT                  WORST PAIR                  FLEET         PAIRS
✔   throughput_min   at least 9.00 Gbit/s   9.05 Gbit/s  n3 → n1 net1   9.10 Gbit/s   12 of 12`,
    )
    expect(out).toMatch(/\n✔ Profile nightly passed: 2 tests, 2 expectations met\.\n$/)
    expect(err).toContain('Test 2 of 2: second')
  })

  test('a missed expectation exits with 1 and is printed with its pairs', async () => {
    const { code, out } = await runCommand(await profilesWith([true, false]), 'run --profile nightly')
    expect(code).toBe(1)
    expect(out).toContain(
      '✘ throughput_min, at least 9.00 Gbit/s: 1 of 12 pairs misses it: n3 → n1 net1 48.0 Mbit/s.',
    )
    expect(out).toMatch(/\n✘ Profile nightly failed: 1 of 2 expectations missed\.\n$/)
  })

  test('--json prints one document', async () => {
    const { code, out } = await runCommand(await profilesWith([false, true]), 'run --profile nightly --json')
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      profile: 'nightly',
      passed: false,
      steps: [
        {
          name: 'first',
          run: { state: 'completed' },
          summary: {
            expectations: [
              {
                name: 'throughput_min',
                limit: 9e9,
                passed: false,
                failed: [{ source: { node: 'n3' }, destination: { node: 'n1' }, value: 48e6 }],
              },
            ],
          },
        },
        { name: 'second', summary: { expectations: [{ passed: true }] } },
      ],
    })
  })

  test('sends the text of a file to the collector', async () => {
    const requests: RunProfileRequest[] = []
    const file = fileOf('mine.yaml', 'name: mine\n')
    await runCommand(await profilesWith([true], requests), `run --profile ${file}`)
    expect(requests[0]?.profile).toEqual({ source: { $case: 'yaml', value: 'name: mine\n' }, file })
  })

  test('--dry-run prints the plan of every test and starts nothing', async () => {
    const requests: RunProfileRequest[] = []
    const collector = await profilesWith([true], requests)
    const { code, out } = await runCommand(collector, 'run --profile nightly --dry-run')
    expect([code, requests, collector.specs]).toEqual([0, [], []])
    expect(out).toMatch(/^1\. first: mesh of 4 nodes: 12 pairs in 3 rounds/)
    expect(out).toMatch(/\n2\. second: .*\n2 tests, about .* Nothing was sent\.\n$/)
    const document = JSON.parse((await runCommand(collector, 'run --profile nightly --dry-run --json')).out)
    expect(document).toMatchObject({
      profile: 'nightly',
      dryRun: true,
      seconds: 2,
      steps: [{ plan: { pairs: 12 } }, {}],
    })
  })

  test('refuses every option that the profile sets', async () => {
    const { code, err } = await runCommand(
      undefined,
      'run mesh --profile nightly --test iperf --expect cv_max=1% --detach -- -n',
    )
    expect(code).toBe(2)
    for (const place of ['TOPOLOGY', '--test', '--expect', '--detach', '--'])
      expect(err).toContain(
        `  ${place.padEnd(8)}  is set by the profile; remove it here, or change the profile`,
      )
  })

  test('Ctrl-C cancels the active run and prints its results', async () => {
    const cancelled = new AbortController()
    const collector = await collectorWith({
      onCancel: () => cancelled.abort(),
      profiles: {
        resolveProfile: async () => ({ profile }),
        runProfile: async function* () {
          yield { step: 0, run: runOf(RunState.RUN_STATE_RUNNING) }
          await new Promise((resolve) => cancelled.signal.addEventListener('abort', resolve))
          const run = ended(false, { state: RunState.RUN_STATE_CANCELLED })
          yield { step: 0, run }
          yield { step: 0, run, passed: false }
        },
      },
    })
    const terminal = testTerminal()
    const typed = runCommand(collector, 'run --profile nightly', terminal)
    await terminal.waitForStderr('Test 1 of 2')
    terminal.interrupt()
    const { code, out } = await typed
    expect([code, collector.cancelled.length]).toEqual([130, 1])
    expect(out).toContain('The run was cancelled. These are the results until then.')
    expect(out).toContain('1 test of 2 did not run.')
  })
})

test('run --dry-run without a profile prints the plan', async () => {
  const collector = await collectorWith()
  const { code, out } = await runCommand(collector, 'run mesh --test iperf --dry-run')
  expect([code, collector.specs]).toEqual([0, []])
  expect(out).toMatch(/^mesh of 4 nodes: 12 pairs/)
})

test('arguments after -- are refused by commands that do not pass them on', async () => {
  const { code, err } = await runCommand(undefined, 'nodes -- -d send')
  expect(code).toBe(2)
  expect(err).toContain('is not supported here: only run and schedules add pass arguments to netperf')
})
