import { afterEach, describe, expect, test } from 'vitest'
import { ProfileServiceDefinition, type RunProfileResponse } from '#proto/meshgauge/collector/v1/profile.ts'
import { Summary } from '#proto/meshgauge/collector/v1/result.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createServiceClient, openChannel } from '../../lib/calling.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import { serveGrpc, service } from '../../lib/serving.ts'
import { summaryOf } from '../diagnosis/summary-message.ts'
import type { RequestedRunSpec } from '../plan/run-spec.ts'
import { sampleRun } from '../store/testing/samples.ts'
import { createProfileService } from './profile.ts'

const YAML = `name: three
global: { cooldown: 5s }
tests:
  - { name: a, test: ping }
  - { name: b, test: ping, cooldown: 1s }
  - { name: c, test: ping }
`

type Fate = { state: RunState; met?: boolean }
const COMPLETED: Fate = { state: RunState.RUN_STATE_COMPLETED }

const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

/** A collector whose runs end with the given fates, in order. A run without a fate continues until it is cancelled. */
const start = async (fates: readonly Fate[], refuse: (spec: RequestedRunSpec) => string = () => '') => {
  const created: RequestedRunSpec[] = []
  const cancelled: string[] = []
  const pauses: number[] = []
  const clock: Clock = {
    ...systemClock,
    sleep: async (seconds) => {
      pauses.push(seconds)
    },
  }
  const runOf = (id: string, state: RunState, met?: boolean) =>
    sampleRun({
      id,
      state,
      summary:
        met === undefined ? undefined : summaryOf(Summary.fromPartial({ expectations: [{ passed: met }] })),
    })
  const runs: Parameters<typeof createProfileService>[0]['runs'] = {
    plan: async (spec) => {
      const description = refuse(spec)
      if (description)
        throw new OperatingError('SPEC_INVALID', 'no', { violations: [{ field: 'topology', description }] })
      return {} as never
    },
    create: async (spec) => {
      created.push(spec)
      return runOf(String(created.length - 1), RunState.RUN_STATE_PENDING)
    },
    watch: async function* (id, signal) {
      yield { run: runOf(id, RunState.RUN_STATE_RUNNING), results: [] }
      const fate = fates[Number(id)]
      if (!fate)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      else yield { run: runOf(id, fate.state, fate.met), results: [] }
    },
    cancel: (id) => {
      cancelled.push(id)
      return runOf(id, RunState.RUN_STATE_CANCELLED)
    },
  }
  const server = await serveGrpc(
    { logger: createLogger('test', 'silent') },
    {
      address: '127.0.0.1:0',
      security: {},
      services: [
        service(ProfileServiceDefinition, createProfileService({ clock, runs, profiles: new Map() })),
      ],
    },
  )
  const channel = openChannel(`127.0.0.1:${server.port}`, {})
  opened.push(
    () => channel.close(),
    () => server.close(0.1),
  )
  const client = createServiceClient(ProfileServiceDefinition, channel)
  const profile = { source: { $case: 'yaml' as const, value: YAML }, file: 'three.yaml' }
  const run = async (fields: { nodes?: string[] } = {}, signal?: AbortSignal) => {
    const events: RunProfileResponse[] = []
    for await (const event of client.runProfile({ profile, ...fields }, signal ? { signal } : {})) {
      events.push(event)
    }
    return events
  }
  return { created, cancelled, pauses, run, client }
}

describe('RunProfile', () => {
  test('runs one test after the other with pauses, and reports whether all passed last', async () => {
    const { run, created, pauses } = await start([COMPLETED, { ...COMPLETED, met: true }, COMPLETED])
    const events = await run({ nodes: ['n1'] })
    expect(events.map(({ step, run: now, passed }) => [step, now!.id, passed])).toEqual([
      [0, '0', undefined],
      [0, '0', undefined],
      [1, '1', undefined],
      [1, '1', undefined],
      [2, '2', undefined],
      [2, '2', undefined],
      [2, '2', true],
    ])
    expect(pauses).toEqual([5, 1])
    expect(created.map(({ profile, topology }) => [profile, topology!.nodes])).toEqual([
      ['three', ['n1']],
      ['three', ['n1']],
      ['three', ['n1']],
    ])
  })

  test.each<[string, readonly Fate[], number]>([
    ['a missed expectation', [{ ...COMPLETED, met: false }, COMPLETED, COMPLETED], 3],
    ['a run that failed', [COMPLETED, { state: RunState.RUN_STATE_FAILED }, COMPLETED], 3],
    [
      'a cancelled run, which ends the profile',
      [COMPLETED, { state: RunState.RUN_STATE_CANCELLED }, COMPLETED],
      2,
    ],
    [
      'an interrupted run, which ends the profile',
      [{ state: RunState.RUN_STATE_INTERRUPTED }, COMPLETED, COMPLETED],
      1,
    ],
  ])('%s: not passed', async (_, fates, runCount) => {
    const { run, created } = await start(fates)
    expect((await run()).at(-1)).toMatchObject({ passed: false })
    expect(created).toHaveLength(runCount)
  })

  test('a caller that cancels the stream cancels the current run, and no other run starts', async () => {
    const { run, created, cancelled } = await start([COMPLETED])
    const leaving = new AbortController()
    const ended = run({}, leaving.signal)
    while (created.length < 2) await systemClock.sleep(0.005)
    leaving.abort()
    await expect(ended).rejects.toThrow()
    while (cancelled.length === 0) await systemClock.sleep(0.005)
    expect([created.length, cancelled]).toEqual([2, ['1']])
  })

  test('problems of all tests are reported once, before the first test runs', async () => {
    const { run, created } = await start([], ({ topology }) => (topology!.nodes[0] === 'n9' ? 'no n9' : ''))
    await expect(run({ nodes: ['n9'] })).rejects.toMatchObject({
      details: expect.stringContaining('tests["a"].topology: no n9'),
    })
    expect(created).toEqual([])
  })
})

test('ResolveProfile rejects a request without name and text, and an unknown name', async () => {
  const { client } = await start([])
  await expect(client.resolveProfile({})).rejects.toMatchObject({
    details: expect.stringContaining('profile: must have a name or a text'),
  })
  const unknown = { profile: { source: { $case: 'name' as const, value: 'x' }, file: '' } }
  await expect(client.resolveProfile(unknown)).rejects.toMatchObject({
    details: expect.stringContaining('there is no profile "x"'),
  })
})
