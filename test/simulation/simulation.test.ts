import { expect, test } from 'vitest'
import { type SimulationResult, simulate } from './simulate.ts'

/** Short enough for every run of the tests; `npm run simulate` runs any number of them for any time. */
const SEEDS = [1, 2]
const NODES = 10
const SECONDS = 600

const asked = process.env.MESHGAUGE_SEED
const seeds = asked === undefined ? SEEDS : [Number(asked)]

/** What failed, and how to see it again. */
const describeFailure = ({ seed, violations, traceLines }: SimulationResult): string =>
  violations.length === 0
    ? ''
    : [
        ...traceLines,
        ...violations.map(({ checker, text }) => `${checker}: ${text}`),
        `MESHGAUGE_SEED=${seed} npm test -- simulation`,
      ].join('\n')

test.each(seeds)('seed %i: no checker finds anything wrong', async (seed) => {
  const result = await simulate({ seed, nodes: NODES, seconds: SECONDS })
  expect(describeFailure(result)).toBe('')
  expect(result.counts.windows).toBeGreaterThan(0)
})

test('the same seed gives the same events, and another seed others', async () => {
  const [first, again, other] = [
    await simulate({ seed: 7, nodes: 6, seconds: 250 }),
    await simulate({ seed: 7, nodes: 6, seconds: 250 }),
    await simulate({ seed: 8, nodes: 6, seconds: 250 }),
  ]
  expect(again.traceHash).toBe(first.traceHash)
  expect(again.counts).toEqual(first.counts)
  expect(other.traceHash).not.toBe(first.traceHash)
})
