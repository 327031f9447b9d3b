import { describe, expect, test } from 'vitest'
import { Node, NodeState } from '#proto/meshgauge/collector/v1/fleet.ts'
import { CulpritKind, Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { END, endedRun, iperfPair } from '../telemetry/testing/samples.ts'
import { type Facts, judgeNode, missingChecks } from './gate.ts'
import { remember } from './severity.ts'
import { checkResult } from './testing/samples.ts'
import { createVerdicts } from './verdicts.ts'

const NOW = new Date('2026-01-02T04:00:00Z')
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000)
const node = (name: string, fields: Partial<Node> = {}): Node => ({
  ...Node.fromPartial({ name, state: NodeState.NODE_STATE_READY, rack: 'r1' }),
  ...fields,
})
const passed = (check: string, seconds: number) =>
  remember(undefined, checkResult(check, 'pass'), {}, ago(seconds))
const need = (check: string, byName = false) => ({ check, parameters: {}, byName })

const judge = (facts: Partial<Facts>) =>
  judgeNode({
    node: node('a'),
    job: [node('a'), node('b')],
    records: [],
    verdicts: [],
    required: [],
    trouble: '',
    now: NOW,
    maxAgeSeconds: 3600,
    ...facts,
  })

test('a node with all that is needed is open', () => {
  const facts = {
    records: [passed('ping', 10), passed('interfaces', 3599)],
    required: [need('ping'), need('interfaces')],
  }
  expect(judge(facts)).toEqual({ node: 'a', open: true, reasons: [], unknown: false })
})

describe('closed for a reason', () => {
  test('a check that fails, and one whose earlier finding stands', () => {
    const heavy = remember(undefined, checkResult('dcgm', 'evict'), { level: 3 }, ago(7200))
    const records = [
      remember(
        undefined,
        checkResult('interfaces', 'fail', { reasons: ['net0: is down', 'x', 'y', 'z'] }),
        {},
        NOW,
      ),
      remember(heavy, checkResult('dcgm', 'pass'), {}, NOW),
      remember(undefined, checkResult('gpumem', 'evict'), {}, NOW),
    ]
    expect(judge({ records })).toMatchObject({
      open: false,
      unknown: false,
      reasons: [
        'check interfaces fails: net0: is down; x; y; and 1 more',
        expect.stringMatching(
          /^check dcgm: EVICT of level 3 found at .* stands \(dcgm says evict\); cleared when dcgm/,
        ),
        'check gpumem fails (EVICT): gpumem says evict',
      ],
    })
  })

  test('a WARN holds up no job', () => {
    expect(judge({ records: [remember(undefined, checkResult('host', 'warn'), {}, NOW)] }).open).toBe(true)
  })

  test('a reason goes before what is only not known', () => {
    const records = [remember(undefined, checkResult('interfaces', 'fail'), {}, NOW)]
    const gate = judge({ records, required: [need('ping')] })
    expect(gate.unknown).toBe(false)
    expect(gate.reasons).toEqual([
      'check interfaces fails: interfaces says fail',
      'check ping has not been run',
    ])
  })
})

describe('not known', () => {
  test.each<[string, Partial<Facts>, string]>([
    [
      'a silent agent',
      { node: node('a', { state: NodeState.NODE_STATE_SILENT, stateReason: 'connection refused' }) },
      'the agent does not answer: connection refused',
    ],
    ['a check that was never run', { required: [need('ping')] }, 'check ping has not been run'],
    [
      'one that is too old',
      { records: [passed('ping', 7200)], required: [need('ping')] },
      'check ping was last run 2.0 h ago, more than 60 min',
    ],
    [
      'one that could not be carried out, though it was before',
      {
        records: [remember(passed('ping', 60), checkResult('ping', 'error'), {}, NOW)],
        required: [need('ping')],
      },
      'check ping could not be carried out: ping says error',
    ],
    [
      'one that was asked for by name and was skipped',
      {
        records: [remember(undefined, checkResult('dcgm', 'skipped'), {}, NOW)],
        required: [need('dcgm', true)],
      },
      'check dcgm was skipped: dcgm says skipped',
    ],
    [
      'an agent that does not say what it can check',
      { trouble: 'its agent does not say what it can check' },
      'its agent does not say what it can check',
    ],
  ])('%s', (_name, facts, reason) => {
    expect(judge(facts)).toEqual({ node: 'a', open: false, reasons: [reason], unknown: true })
  })

  test('a skip of what was not asked for by name is fine', () => {
    const records = [remember(undefined, checkResult('dcgm', 'skipped'), {}, NOW)]
    expect(judge({ records, required: [need('dcgm')] }).open).toBe(true)
  })

  test('what is missing is what there is to run', () => {
    const records = [passed('ping', 7200), passed('host', 1)]
    const facts = { records, required: [need('ping'), need('host'), need('clock')] } as unknown as Facts
    expect(missingChecks({ ...facts, now: NOW, maxAgeSeconds: 60 }).map(({ check }) => check)).toEqual([
      'ping',
      'clock',
    ])
  })
})

describe('verdicts of runs', () => {
  const verdict = (fields: Partial<Verdict>): Verdict =>
    Verdict.fromPartial({ message: 'it is slow.\nEvidence.', ...fields })
  const standing = (each: Verdict, time = NOW) => [{ run: 'run-1', test: 'iperf', verdict: each, time }]
  const reasons = (each: Verdict, facts: Partial<Facts> = {}) =>
    judge({ verdicts: standing(each), ...facts }).reasons

  test.each<[string, Partial<Verdict>, boolean]>([
    ['of the node', { kind: CulpritKind.CULPRIT_KIND_NODE, node: 'a' }, true],
    ['of its interface', { kind: CulpritKind.CULPRIT_KIND_INTERFACE, node: 'a', interface: 'net0' }, true],
    ['of another node', { kind: CulpritKind.CULPRIT_KIND_NODE, node: 'b' }, false],
    ['of a link within the job', { kind: CulpritKind.CULPRIT_KIND_LINK, node: 'b', peer: 'a' }, true],
    ['of a link that leaves the job', { kind: CulpritKind.CULPRIT_KIND_LINK, node: 'a', peer: 'c' }, false],
    [
      'of the uplink of a rack that the job stays in',
      { kind: CulpritKind.CULPRIT_KIND_RACK_UPLINK, rack: 'r1' },
      false,
    ],
  ])('%s', (_name, fields, isReason) => {
    expect(reasons(verdict(fields))).toEqual(isReason ? ['iperf run run-1 blames it: it is slow.'] : [])
  })

  test('an uplink matters to a job in two racks', () => {
    const uplink = verdict({ kind: CulpritKind.CULPRIT_KIND_RACK_UPLINK, rack: 'r1' })
    const job = [node('a'), node('b', { rack: 'r2' })]
    expect(reasons(uplink, { job })).toHaveLength(1)
    expect(reasons(uplink, { job, node: job[1]! })).toHaveLength(0)
  })

  test('an old one is no reason', () => {
    const old = standing(verdict({ kind: CulpritKind.CULPRIT_KIND_NODE, node: 'a' }), ago(3601))
    expect(judge({ verdicts: old }).open).toBe(true)
  })

  test('stand until a run of the same test measures enough and blames nobody', () => {
    const verdicts = createVerdicts()
    const bad = verdict({ kind: CulpritKind.CULPRIT_KIND_INTERFACE, node: 'a', interface: 'net0' })
    const mesh = ['b', 'c', 'd'].map((peer) => iperfPair('a', peer, 1e9))
    verdicts.observe(endedRun('iperf', { verdicts: [bad] }), mesh)
    verdicts.observe(endedRun('iperf', { verdicts: [bad] }), mesh)
    expect(verdicts.list()).toMatchObject([{ test: 'iperf', time: END, verdict: { node: 'a' } }])
    verdicts.observe(endedRun('ping'), mesh)
    verdicts.observe(endedRun('iperf'), mesh.slice(0, 2))
    verdicts.observe(endedRun('iperf', { state: RunState.RUN_STATE_CANCELLED }), mesh)
    expect(verdicts.list()).toHaveLength(1)
    verdicts.observe(endedRun('iperf'), mesh)
    expect(verdicts.list()).toEqual([])
  })
})
