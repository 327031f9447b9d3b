import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import { createRandom } from '../topology/random.ts'
import { shiftPairs } from '../topology/topology.ts'
import type { ExpectationResult } from './expectations.ts'
import { judgeRun, type RunEvidence } from './run-judgement.ts'
import { failedResult, iperfResult, judgeNoisy, meshResults, pingResult, racksOf } from './testing/model.ts'

const GOOD = 800e6

const judge = (results: PairResult[], more: Partial<RunEvidence> = {}) =>
  judgeRun({ results, requestedCount: results.length, ...more })

const withOutcome = (result: PairResult, outcome: Outcome, reason = ''): PairResult => ({
  ...result,
  outcome,
  reason,
  values: undefined,
})

const good = (count: number) => meshResults(count, (from, to) => iperfResult(from, to, GOOD))

const missed: ExpectationResult = {
  expectation: { name: 'throughput_min', limit: 1e9 },
  passed: false,
  fleetValue: GOOD,
  passedCount: 0,
  failed: [],
  failedCount: 12,
  worst: undefined,
}

describe('any matrix', () => {
  const OUTCOMES = [
    Outcome.OUTCOME_UNREACHABLE,
    Outcome.OUTCOME_REFUSED,
    Outcome.OUTCOME_TIMED_OUT,
    Outcome.OUTCOME_INVALID,
    Outcome.OUTCOME_NOT_RUN,
  ]
  const matrices = fc.record({
    count: fc.integer({ min: 1, max: 14 }),
    rackSize: fc.integer({ min: 0, max: 5 }),
    noise: fc.double({ min: 0, max: 0.6, noNaN: true }),
    slowShare: fc.constantFrom(0, 0.05, 0.3, 0.9),
    missingShare: fc.constantFrom(0, 0.02, 0.3, 0.8, 1),
    isPing: fc.boolean(),
    isRetested: fc.boolean(),
    missesExpectation: fc.boolean(),
    isIncomplete: fc.boolean(),
    seed: fc.nat(),
  })

  const resultsOf = (given: typeof matrices extends fc.Arbitrary<infer T> ? T : never): PairResult[] => {
    const random = createRandom(given.seed)
    const attemptCount = given.isRetested ? 2 : 1
    return meshResults(given.count, (from, to) => {
      if (random() < given.missingShare) {
        const outcome = OUTCOMES[Math.floor(random() * OUTCOMES.length)]!
        return withOutcome({ ...iperfResult(from, to, GOOD), attemptCount }, outcome, 'some reason')
      }
      const share = random() < given.slowShare ? random() : 1
      const factor = Math.max(0, share * (1 - given.noise + 2 * given.noise * random()))
      if (given.isPing)
        return pingResult(
          from,
          to,
          Math.floor((1 - share) * 10),
          10,
          0.0001 / Math.max(0.01, factor),
          attemptCount,
        )
      return iperfResult(from, to, GOOD * factor, { attemptCount })
    })
  }

  test('is never healthy with a mark, a verdict or a failed pair, and only healthy has exit code 0', () => {
    fc.assert(
      fc.property(matrices, (given) => {
        const results = resultsOf(given)
        const { judgement, verdicts, isMarked } = judge(results, {
          racks: given.rackSize > 0 ? racksOf(given.count, given.rackSize) : new Map(),
          expectations: given.missesExpectation ? [missed] : [],
          incomplete: given.isIncomplete ? 'The run was cancelled.' : '',
        })
        const markedCount = results.filter(isMarked).length
        expect(judgement.markedCount).toBe(markedCount)
        expect(judgement.exitCode === 0).toBe(judgement.state === 'healthy')
        expect(judgement.exitCode === 1).toBe(
          verdicts.length > 0 || markedCount > 0 || given.missesExpectation,
        )
        const isHealthy = judgement.state === 'healthy'
        if (isHealthy) {
          expect(markedCount + verdicts.length).toBe(0)
          expect(given.isIncomplete || results.length === 0).toBe(false)
        }
        const { observedCount, requestedCount } = judgement.coverage
        expect(judgement.headline.startsWith('Healthy')).toBe(
          isHealthy && observedCount === requestedCount && judgement.headline.startsWith('Healthy'),
        )
        if (2 * observedCount < requestedCount) expect(isHealthy).toBe(false)
        // A pair that fails is always marked.
        for (const result of results)
          if ([Outcome.OUTCOME_UNREACHABLE, Outcome.OUTCOME_REFUSED].some((each) => each === result.outcome))
            expect(isMarked(result)).toBe(true)
      }),
      { numRuns: 1500 },
    )
  })

  test('counts each pair that supports a verdict, also beyond those that a verdict lists', () => {
    const results = meshResults(36, (from, to) => failedResult(from, to, 2))
    const { judgement, verdicts } = judge(results)
    expect(verdicts).toMatchObject([{ kind: 'unattributed', pairCount: 1260 }])
    expect(verdicts[0]!.pairsFor).toHaveLength(1000)
    expect(judgement.markedCount).toBe(1260)
    expect(verdicts[0]!.message).toMatch(/^1260 pairs fail on net1 and no culprit explains them\./)
  })
})

describe('pairs without a culprit', () => {
  test('of two shifts with one bad node are a verdict with all of them', () => {
    const { sources, destinations } = shiftPairs(6, [1, 2])
    const results = [...sources].map((source, pair) => {
      const isBad = source === 2
      return iperfResult(source, destinations[pair]!, isBad ? 48e6 : GOOD, { attemptCount: isBad ? 2 : 1 })
    })
    const { judgement, verdicts, isMarked } = judge(results)
    expect(verdicts).toMatchObject([
      { kind: 'unattributed', interface: 'net1', pairCount: 2, retested: true },
    ])
    expect(verdicts[0]!.message).toBe(
      '2 pairs are slow on net1 and no culprit explains them: 48.0 Mbit/s where others have 800 Mbit/s. All are from or to node-3. Retested on new ports: the same.',
    )
    expect(judgement).toMatchObject({ state: 'bad', exitCode: 1, markedCount: 2 })
    expect(results.filter(isMarked)).toHaveLength(2)
  })

  test('of a ring advise a mesh', () => {
    const results = [0, 1, 2].map((node) =>
      iperfResult(node, (node + 1) % 3, node === 0 ? 1e6 : GOOD, { attemptCount: 2 }),
    )
    expect(judge(results).verdicts[0]!.message).toMatch(
      /^1 pair is slow on net1 \(node-1 → node-2\) .*run a mesh\.$/,
    )
  })

  test('from one rack to another one name the racks', () => {
    const results = meshResults(12, (from, to) =>
      iperfResult(from, to, from < 4 && to >= 4 && to < 8 ? 5e6 : GOOD, { attemptCount: 2 }),
    )
    const { verdicts } = judge(results, { racks: racksOf(12, 4) })
    expect(verdicts.map(({ message }) => message).join(' ')).toContain('All are from rack r1 to rack r2.')
  })

  test('are noise when the class is noisy: 300 healthy fabrics with a noise of 30 %', () => {
    let verdicts = 0
    for (let seed = 0; seed < 300; seed++)
      verdicts += judgeNoisy(8, () => GOOD, { seed, noise: 0.3 }).verdicts.length
    expect(verdicts).toBeLessThanOrEqual(3)
  })
})

describe('coverage', () => {
  const without = (isMissing: (result: PairResult) => boolean, outcome: Outcome = Outcome.OUTCOME_NOT_RUN) =>
    good(6).map((result) => (isMissing(result) ? withOutcome(result, outcome) : result))

  test.each([Outcome.OUTCOME_INVALID, Outcome.OUTCOME_NOT_RUN])(
    'a node that nobody observed makes the answer unclear (outcome %s)',
    (outcome) => {
      const results = without(
        ({ source, destination }) => source.node === 'node-4' || destination.node === 'node-4',
        outcome,
      )
      expect(judge(results).judgement).toMatchObject({
        state: 'unclear',
        exitCode: 3,
        headline:
          'Unclear. Nobody observed node-4 net1 receives, node-4 net1 sends. 20 of 30 pairs were observed.',
        coverage: { observedCount: 20, requestedCount: 30 },
      })
    },
  )

  test('a node that is observed in one direction only makes the answer unclear', () => {
    const results = without(({ source }) => source.node === 'node-4')
    expect(judge(results).judgement).toMatchObject({ state: 'unclear', exitCode: 3 })
  })

  test('less than half is unclear', () => {
    const random = createRandom(3)
    const { judgement } = judge(without(() => random() < 0.6))
    expect(judgement).toMatchObject({ state: 'unclear', exitCode: 3 })
    expect(judgement.headline).toMatch(/^Unclear\. Only \d+ of 30 pairs were observed\.$/)
  })

  test('partial coverage is stated and not called healthy', () => {
    const { judgement } = judge(
      without(({ source, destination }) => source.node === 'node-1' && destination.node === 'node-2'),
    )
    expect(judgement).toMatchObject({
      state: 'healthy',
      exitCode: 0,
      headline: 'No fault among the 29 of 30 pairs that were observed.',
    })
  })

  test('pairs of the plan without a result count', () => {
    expect(judge(good(4).slice(0, 8), { requestedCount: 12 }).judgement.coverage).toMatchObject({
      requestedCount: 12,
      observedCount: 8,
    })
    expect(judge([], { requestedCount: 12 }).judgement).toMatchObject({ state: 'unclear', exitCode: 3 })
  })

  test('a complete run says what it covered', () => {
    expect(judge(good(4)).judgement.headline).toBe('Healthy. No culprit among 4 nodes and 4 interfaces.')
    expect(judge([iperfResult(0, 1, GOOD), iperfResult(1, 0, GOOD)]).judgement).toMatchObject({
      state: 'healthy',
      headline:
        'No pair stands out among 2 nodes and 2 interfaces. Only a mesh of 4 or more nodes can name a culprit.',
    })
  })

  test('a run that ended early is unclear, and a verdict takes precedence', () => {
    const early = { incomplete: 'The run was cancelled.' }
    expect(judge(good(4), early).judgement).toMatchObject({
      state: 'unclear',
      headline: 'Unclear. The run was cancelled. 12 of 12 pairs were observed.',
    })
    const dead = meshResults(6, (from, to) =>
      from === 1 || to === 1 ? failedResult(from, to, 2) : iperfResult(from, to, GOOD),
    )
    expect(judge(dead, early).judgement).toMatchObject({ state: 'bad', exitCode: 1 })
  })

  test('a missed expectation is bad', () => {
    expect(judge(good(4), { expectations: [missed] }).judgement).toMatchObject({
      state: 'bad',
      exitCode: 1,
      headline: '1 expectation was missed.',
      missedExpectationCount: 1,
    })
  })
})
