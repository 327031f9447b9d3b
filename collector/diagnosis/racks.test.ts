import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../topology/random.ts'
import { judgeRun } from './run-judgement.ts'
import { iperfResult, judgeNoisy, meshResults, nodeName, racksOf } from './testing/model.ts'

const INSIDE = 57e6
const seeds = fc.nat({ max: 1_000_000 })

describe('two racks', () => {
  const racks = racksOf(8, 4)
  const isFirst = (node: number) => node < 4

  test('an uplink that is 10 times slower in one direction is named, with noise in the other direction', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = createRandom(seed)
        const results = meshResults(8, (from, to) => {
          if (isFirst(from) === isFirst(to)) return iperfResult(from, to, INSIDE * (0.98 + 0.04 * random()))
          const rate = isFirst(from) ? 4e6 + 5e6 * random() : 40e6 + 17e6 * random()
          return iperfResult(from, to, rate, { attemptCount: 2 })
        })
        const { judgement, verdicts, isMarked } = judgeRun({ results, racks, requestedCount: 56 })
        expect(verdicts).toMatchObject([{ kind: 'rack_uplink', rack: 'r1', direction: 'tx', pairCount: 16 }])
        expect(judgement).toMatchObject({ state: 'bad', exitCode: 1, markedCount: 16 })
        for (const result of results) {
          const [from, to] = [result.source, result.destination].map(({ node }) => racks.get(node))
          expect(isMarked(result)).toBe(from === 'r1' && to === 'r2')
        }
      }),
      { numRuns: 100 },
    )
  })

  test('an uplink that is slow in both directions is named', () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0.02, max: 0.2, noNaN: true }), (seed, share) => {
        const rate = (from: number, to: number) => (isFirst(from) === isFirst(to) ? INSIDE : share * INSIDE)
        const { judgement, verdicts } = judgeNoisy(8, rate, { seed, noise: 0.1, racks })
        expect(verdicts).toMatchObject([{ kind: 'rack_uplink', rack: 'r1', direction: 'both' }])
        expect(verdicts[0]!.message).toMatch(/where pairs inside racks reach [56]\d\.\d Mbit\/s/)
        expect(judgement.exitCode).toBe(1)
      }),
      { numRuns: 60 },
    )
  })

  test('an uplink of half the rate is the speed of the fabric', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const rate = (from: number, to: number) => (isFirst(from) === isFirst(to) ? INSIDE : 0.5 * INSIDE)
        const { judgement, verdicts } = judgeNoisy(8, rate, { seed, noise: 0.1, racks })
        expect(verdicts.map(({ message }) => message)).toEqual([])
        expect(judgement.exitCode).toBe(0)
      }),
      { numRuns: 60 },
    )
  })
})

describe('three and more racks', () => {
  const rackOf = (node: number) => Math.floor(node / 4)

  test.each(['tx', 'rx', 'both'] as const)('a slow uplink is named: %s', (direction) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 3, max: 5 }), fc.nat(), (seed, count, which) => {
        const bad = which % count
        const rate = (from: number, to: number) => {
          if (rackOf(from) === rackOf(to)) return INSIDE
          const isSlow =
            (direction !== 'rx' && rackOf(from) === bad) || (direction !== 'tx' && rackOf(to) === bad)
          return isSlow ? 5e6 : 0.8 * INSIDE
        }
        const { judgement, verdicts } = judgeNoisy(4 * count, rate, {
          seed,
          noise: 0.15,
          racks: racksOf(4 * count, 4),
        })
        expect(verdicts).toMatchObject([{ kind: 'rack_uplink', rack: `r${bad + 1}`, direction }])
        expect(judgement.exitCode).toBe(1)
      }),
      { numRuns: 20 },
    )
  })

  test('a slow node is not an uplink', () => {
    const rate = (from: number, to: number) => (from === 5 || to === 5 ? 5e6 : INSIDE)
    for (let seed = 0; seed < 20; seed++) {
      const { verdicts } = judgeNoisy(12, rate, { seed, noise: 0.1, racks: racksOf(12, 4) })
      expect(verdicts).toMatchObject([{ kind: 'interface', node: nodeName(5), direction: 'both' }])
    }
  })
})

test('a rate of almost 0 is bad in the noisiest class', () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = createRandom(seed)
    const results = meshResults(8, (from, to) =>
      iperfResult(from, to, from === 2 ? 1e3 : 10e6 + 90e6 * random(), { attemptCount: 2 }),
    )
    const { isMarked, judgement } = judgeRun({ results, requestedCount: 56 })
    expect(judgement.exitCode).toBe(1)
    expect(results.filter(({ source }) => source.node === nodeName(2)).every(isMarked)).toBe(true)
  }
})
