import { describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createVerdict, type Verdict } from '../../diagnosis/verdict.ts'
import { createNode, type FleetNode } from '../../inventory/node.ts'
import { END, endedRun, iperfPair } from '../../telemetry/testing/samples.ts'
import { addResult } from '../state/findings.ts'
import { checkResult } from '../testing/samples.ts'
import { type GateFacts, judgeNode, missingChecks } from './gate.ts'
import { StandingVerdicts } from './standing-verdicts.ts'

const NOW = new Date('2026-01-02T04:00:00Z')
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000)
const node = (name: string, fields: Partial<FleetNode> = {}): FleetNode => ({
  ...createNode({ name, state: 'ready', rack: 'r1' }),
  ...fields,
})
const passed = (check: string, seconds: number) =>
  addResult(undefined, checkResult(check, 'pass'), {}, ago(seconds))
const need = (check: string, byName = false) => ({ check, parameters: {}, byName })

const judge = (facts: Partial<GateFacts>) =>
  judgeNode({
    node: node('a'),
    job: [node('a'), node('b')],
    records: [],
    verdicts: [],
    required: [],
    requiredProblem: '',
    now: NOW,
    maxAgeSeconds: 3600,
    ...facts,
  })

test('a node with current results of all required checks is open', () => {
  const facts = {
    records: [passed('ping', 10), passed('interfaces', 3599)],
    required: [need('ping'), need('interfaces')],
  }
  expect(judge(facts)).toEqual({ node: 'a', open: true, reasons: [], unknown: false })
})

describe('a node is closed', () => {
  test('when a check fails, or an earlier finding still applies', () => {
    const heavy = addResult(undefined, checkResult('dcgm', 'evict'), { level: 3 }, ago(7200))
    const records = [
      addResult(
        undefined,
        checkResult('interfaces', 'fail', { reasons: ['net0: is down', 'x', 'y', 'z'] }),
        {},
        NOW,
      ),
      addResult(heavy, checkResult('dcgm', 'pass'), {}, NOW),
      addResult(undefined, checkResult('gpumem', 'evict'), {}, NOW),
    ]
    expect(judge({ records })).toMatchObject({
      open: false,
      unknown: false,
      reasons: [
        'check interfaces fails: net0: is down; x; y; and 1 more',
        expect.stringMatching(
          /^check dcgm: EVICT of level 3 found at .* still applies \(dcgm says evict\); cleared when dcgm/,
        ),
        'check gpumem fails (EVICT): gpumem says evict',
      ],
    })
  })

  test('but not by a WARN', () => {
    expect(judge({ records: [addResult(undefined, checkResult('host', 'warn'), {}, NOW)] }).open).toBe(true)
  })

  test('with findings before missing results, and then it is not unknown', () => {
    const records = [addResult(undefined, checkResult('interfaces', 'fail'), {}, NOW)]
    const gate = judge({ records, required: [need('ping')] })
    expect(gate.unknown).toBe(false)
    expect(gate.reasons).toEqual([
      'check interfaces fails: interfaces says fail',
      'check ping has not been run',
    ])
  })
})

describe('a node is unknown because of', () => {
  test.each<[string, Partial<GateFacts>, string]>([
    [
      'a silent agent',
      { node: node('a', { state: 'silent', stateReason: 'connection refused' }) },
      'the agent does not answer: connection refused',
    ],
    ['a check that was never run', { required: [need('ping')] }, 'check ping has not been run'],
    [
      'a result that is too old',
      { records: [passed('ping', 7200)], required: [need('ping')] },
      'check ping was last run 2.0 h ago, more than 60 min',
    ],
    [
      'a check that could not be carried out the last time',
      {
        records: [addResult(passed('ping', 60), checkResult('ping', 'error'), {}, NOW)],
        required: [need('ping')],
      },
      'check ping could not be carried out: ping says error',
    ],
    [
      'a check that the caller has named and that was skipped',
      {
        records: [addResult(undefined, checkResult('dcgm', 'skipped'), {}, NOW)],
        required: [need('dcgm', true)],
      },
      'check dcgm was skipped: dcgm says skipped',
    ],
    [
      'an agent that does not list its checks',
      { requiredProblem: 'its agent does not list its checks' },
      'its agent does not list its checks',
    ],
  ])('%s', (_name, facts, reason) => {
    expect(judge(facts)).toEqual({ node: 'a', open: false, reasons: [reason], unknown: true })
  })
})

describe('required checks', () => {
  test('may be skipped when the caller has not named them', () => {
    const records = [addResult(undefined, checkResult('dcgm', 'skipped'), {}, NOW)]
    expect(judge({ records, required: [need('dcgm')] }).open).toBe(true)
  })

  test('without a current result are missing', () => {
    const records = [passed('ping', 7200), passed('host', 1)]
    const facts = { records, required: [need('ping'), need('host'), need('clock')] } as unknown as GateFacts
    expect(missingChecks({ ...facts, now: NOW, maxAgeSeconds: 60 }).map(({ check }) => check)).toEqual([
      'ping',
      'clock',
    ])
  })
})

describe('a verdict of a run', () => {
  const verdict = (fields: Partial<Verdict>): Verdict =>
    createVerdict({ kind: 'interface', message: 'it is slow.\nEvidence.', ...fields })
  const standing = (each: Verdict, time = NOW) => [{ run: 'run-1', test: 'iperf', verdict: each, time }]
  const reasons = (each: Verdict, facts: Partial<GateFacts> = {}) =>
    judge({ verdicts: standing(each), ...facts }).reasons

  test.each<[string, Partial<Verdict>, boolean]>([
    ['of the node', { kind: 'node', node: 'a' }, true],
    ['of its interface', { kind: 'interface', node: 'a', interface: 'net0' }, true],
    ['of another node', { kind: 'node', node: 'b' }, false],
    ['of a link within the job', { kind: 'link', node: 'b', peer: 'a' }, true],
    ['of a link that leaves the job', { kind: 'link', node: 'a', peer: 'c' }, false],
    ['of the uplink of a rack that the job stays in', { kind: 'rack_uplink', rack: 'r1' }, false],
  ])('%s: a reason against the node?', (_name, fields, isReason) => {
    expect(reasons(verdict(fields))).toEqual(
      isReason ? ['iperf run run-1 has a verdict against it: it is slow.'] : [],
    )
  })

  test('of an uplink is a reason against a job in two racks', () => {
    const uplink = verdict({ kind: 'rack_uplink', rack: 'r1' })
    const job = [node('a'), node('b', { rack: 'r2' })]
    expect(reasons(uplink, { job })).toHaveLength(1)
    expect(reasons(uplink, { job, node: job[1]! })).toHaveLength(0)
  })

  test('is no reason when it is too old', () => {
    const old = standing(verdict({ kind: 'node', node: 'a' }), ago(3601))
    expect(judge({ verdicts: old }).open).toBe(true)
  })

  test('applies until a run of the same test measures enough and does not repeat it', () => {
    const verdicts = new StandingVerdicts()
    const bad = verdict({ kind: 'interface', node: 'a', interface: 'net0' })
    const mesh = ['b', 'c', 'd'].map((peer) => iperfPair('a', peer, 1e9))
    verdicts.observeRun(endedRun('iperf', { verdicts: [bad] }), mesh)
    verdicts.observeRun(endedRun('iperf', { verdicts: [bad] }), mesh)
    expect(verdicts.list()).toMatchObject([{ test: 'iperf', time: END, verdict: { node: 'a' } }])
    verdicts.observeRun(endedRun('ping'), mesh)
    verdicts.observeRun(endedRun('iperf'), mesh.slice(0, 2))
    verdicts.observeRun(endedRun('iperf', { state: RunState.RUN_STATE_CANCELLED }), mesh)
    expect(verdicts.list()).toHaveLength(1)
    verdicts.observeRun(endedRun('iperf'), mesh)
    expect(verdicts.list()).toEqual([])
  })
})
