import { describe, expect, test } from 'vitest'
import { IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult } from '../../processes.ts'
import { planIperf } from './args.ts'
import { type Observed, resultOf, testOutcomeOf } from './result.ts'
import { modeOf, planOf, readRecording, VERSIONS } from './testing/recordings.ts'

const ended: ProcessResult = {
  exitCode: 0,
  signal: '',
  stderrTail: '',
  timedOut: false,
  aborted: false,
  flooded: false,
  notFound: false,
  reason: '',
}
const timedOut = { ...ended, exitCode: 1, timedOut: true, reason: 'iperf3 did not end within 16 s' }

const seenIn = (version: string, name: string): Observed => {
  const { errors, figures, began, samples } = readRecording(version, name)
  const lastMovedSeconds = samples.findLast((sample) => sample.bytes > 0)?.endSeconds ?? 0
  return { began, errors, figures, lastMovedSeconds, unknown: [], silence: undefined, lastLineSeconds: 10 }
}
const judge = (version: string, name: string, process = ended, changes: Partial<Observed> = {}) => {
  const observed = { ...seenIn(version, name), ...changes }
  const testOutcome = testOutcomeOf(observed, process, planOf(name), modeOf(version))
  return { ...testOutcome, result: resultOf(testOutcome, planOf(name)) }
}

const NOTHING = {
  bitsPerSecond: undefined,
  senderBitsPerSecond: undefined,
  receivedBytes: undefined,
  sentBytes: undefined,
  reverseBitsPerSecond: undefined,
  lossRatio: undefined,
}

describe.each(VERSIONS)('iperf3 %s', (version) => {
  test.each([
    ['refused', Outcome.OUTCOME_REFUSED, true],
    ['busy', Outcome.OUTCOME_REFUSED, true],
    ['no-host', Outcome.OUTCOME_UNREACHABLE, false],
    ['silent', Outcome.OUTCOME_UNREACHABLE, false],
    ['no-route', Outcome.OUTCOME_UNREACHABLE, false],
    ['killed', Outcome.OUTCOME_INVALID, false],
    ['bad-bind', Outcome.OUTCOME_NOT_RUN, false],
    ['bad-device', Outcome.OUTCOME_NOT_RUN, false],
    ['bad-congestion', Outcome.OUTCOME_NOT_RUN, false],
  ])('%s has an outcome, a reason and no figures', (name, outcome, retryable) => {
    const { errors } = readRecording(version, name)
    const judged = judge(version, name, { ...ended, exitCode: 1 })
    expect(judged).toMatchObject({ outcome, retryable, reason: `iperf3: ${errors[0]}` })
    expect(judged.result).toMatchObject({ outcome, reason: judged.reason, ...NOTHING })
  })

  test('a path that is cut during a test is not a link of 0 bit/s, although iperf3 reports that', () => {
    if (version !== '3.12') expect(seenIn(version, 'cut').figures?.receiver?.bytes).toBe(0)
    const { result } = judge(version, 'cut', timedOut)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_TIMED_OUT, ...NOTHING })
    expect(result.reason).toMatch(/^iperf3 did not end within 16 s; the last bytes moved at [12]\.\d s$/)
  })

  test('an iperf3 that stops to print before the end of its test hangs: a cut path has no such effect', () => {
    const { result } = judge(version, 'cut', timedOut, { lastLineSeconds: 1.5 })
    expect(result).toMatchObject({
      ...NOTHING,
      outcome: Outcome.OUTCOME_INVALID,
      programFault: { program: 'iperf3', problem: 'hangs: it printed its last line 1.5 s after its start' },
    })
  })

  test('a receiver that counted nothing is unreachable, and the sent bytes are still reported', () => {
    const { result } = judge(version, 'udp-blackhole')
    expect(result).toMatchObject({
      ...NOTHING,
      senderBitsPerSecond: expect.any(Number),
      sentBytes: expect.any(Number),
    })
    expect(result.outcome).toBe(Outcome.OUTCOME_UNREACHABLE)
    expect(result.reason).toBe('the receiver received 0 bytes of 2.50 MB sent')
  })

  test('a client that received nothing of a bidirectional test is unreachable', () => {
    const { figures } = seenIn(version, 'bidir')
    const silent = { ...figures, reverseReceiver: { seconds: 2, bitsPerSecond: 0, bytes: 0 } }
    expect(judge(version, 'bidir', ended, { figures: silent })).toMatchObject({
      outcome: Outcome.OUTCOME_UNREACHABLE,
      reason: 'the client received 0 bytes',
    })
    const { reverseReceiver: _, ...without } = figures!
    expect(judge(version, 'bidir', ended, { figures: without }).outcome).toBe(Outcome.OUTCOME_INVALID)
  })

  test('the processor time is reported for the endpoint that used it', () => {
    const forward = seenIn(version, 'tcp').figures
    expect(judge(version, 'tcp').result.senderCpuRatio).toBe(forward?.localCpuRatio)
    expect(judge(version, 'tcp').result.receiverCpuRatio).toBe(forward?.remoteCpuRatio)
    // 3.12 does not report it with --reverse.
    const reverse = seenIn(version, 'reverse').figures
    expect(judge(version, 'reverse').result.senderCpuRatio).toBe(reverse?.remoteCpuRatio)
  })

  test('the warm-up is reported and not counted', () => {
    const { result } = judge(version, 'omit')
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, omitted: { seconds: 1 } })
    expect(result.duration?.seconds).toBe(2)
  })

  test('the throughput is the count of the receiver', () => {
    const { receiver, sender } = seenIn(version, 'udp-loss').figures!
    const { result } = judge(version, 'udp-loss')
    expect(result).toMatchObject({
      outcome: Outcome.OUTCOME_MEASURED,
      bitsPerSecond: receiver?.bitsPerSecond,
      senderBitsPerSecond: sender?.bitsPerSecond,
      lossRatio: receiver?.lossRatio,
    })
    expect(result.bitsPerSecond).toBeLessThan(result.senderBitsPerSecond!)
  })

  test('a test by bytes counts only where its duration is known', () => {
    const expected = version === '3.12' ? Outcome.OUTCOME_MEASURED : Outcome.OUTCOME_INVALID
    expect(judge(version, 'bytes').outcome).toBe(expected)
  })
})

test.each([
  ['stopped', 'hangs: it is stopped', Protocol.PROTOCOL_TCP],
  ['none', 'hangs: it opened no connection and printed no result', Protocol.PROTOCOL_TCP],
  ['acknowledged', undefined, Protocol.PROTOCOL_TCP],
] as const)(
  'silence with a connection that is %s is no fault of the network',
  (silence, problem, protocol) => {
    const plan = planIperf(IperfOptions.fromPartial({ protocol }))
    const observed = { ...seenIn('3.18', 'refused'), errors: [], silence }
    const result = resultOf(testOutcomeOf(observed, { ...ended, aborted: true }, plan, 'json'), plan)
    expect(result.outcome).toBe(Outcome.OUTCOME_INVALID)
    expect(result.programFault?.problem).toBe(problem)
  },
)

test.each([
  ['connecting', Protocol.PROTOCOL_TCP],
  ['unacknowledged', Protocol.PROTOCOL_TCP],
  ['unknown', Protocol.PROTOCOL_TCP],
  ['acknowledged', Protocol.PROTOCOL_UDP],
] as const)('silence with a connection that is %s may be the network', (silence, protocol) => {
  const plan = planIperf(IperfOptions.fromPartial({ protocol }))
  const observed = { ...seenIn('3.18', 'refused'), errors: [], silence }
  const result = resultOf(testOutcomeOf(observed, { ...ended, aborted: true }, plan, 'json'), plan)
  expect(result).toMatchObject({ outcome: Outcome.OUTCOME_UNREACHABLE, programFault: undefined })
})

test.each([
  [
    'it is missing',
    { ...ended, exitCode: undefined, notFound: true, reason: 'iperf3 is not installed' },
    {},
    Outcome.OUTCOME_INVALID,
  ],
  ['it floods', { ...ended, flooded: true, reason: 'flood' }, {}, Outcome.OUTCOME_INVALID],
  ['no answer', timedOut, { silence: 'connecting' as const, began: false }, Outcome.OUTCOME_UNREACHABLE],
  ['never begun', timedOut, { began: false }, Outcome.OUTCOME_UNREACHABLE],
  ['it dies', { ...ended, reason: 'ended by SIGSEGV' }, { figures: undefined }, Outcome.OUTCOME_INVALID],
  ['there is no output', ended, { figures: undefined }, Outcome.OUTCOME_INVALID],
  ['the receiver has no count', ended, { figures: {} }, Outcome.OUTCOME_INVALID],
  ['rubbish', ended, { unknown: new Array(101).fill('?') }, Outcome.OUTCOME_INVALID],
  ['cut off', ended, { errors: ['unable to write: Connection timed out'] }, Outcome.OUTCOME_TIMED_OUT],
  ['an error of no known kind', ended, { errors: ['out of luck'] }, Outcome.OUTCOME_INVALID],
])('%s: not measured, and no figures', (_, process, changes, outcome) => {
  const { result } = judge('3.18', 'tcp', process, changes)
  expect(result).toMatchObject({ outcome, ...NOTHING })
  expect(result.reason).not.toBe('')
})
