/**
 * Planning time and quality for 1,000 nodes: `node test/bench/plan.bench.ts`. Prints a table, and exits with 1 and a message
 * when a goal is missed.
 */

import { checkPlan } from '../../collector/plan/certificate.ts'
import type { Caps } from '../../collector/plan/plan.ts'
import { rounds } from '../../collector/plan/plan.ts'
import { createPlan } from '../../collector/plan/planner.ts'
import { type FleetShape, inputOf } from '../../collector/plan/testing/fleets.ts'

type Goal = { name: string; shape: FleetShape; caps: Partial<Caps>; minRatio: number; maxSeconds: number }

const MAX_MEBIBYTES = 1024
const racks = { nodes: 1000, rackSize: 8 }

const GOALS: readonly Goal[] = [
  { name: 'mesh of 1,000', shape: { nodes: 1000 }, caps: {}, minRatio: 1, maxSeconds: 5 },
  ...[1, 2, 4, 8].map((perUplink) => ({
    name: `mesh of 1,000, racks of 8, uplink cap ${perUplink}`,
    shape: racks,
    caps: { perUplink },
    minRatio: 0.95,
    maxSeconds: 10,
  })),
  {
    name: 'mesh of 1,000, exclusive nodes',
    shape: { nodes: 1000 },
    caps: { exclusiveNodes: true },
    minRatio: 1,
    maxSeconds: 5,
  },
  {
    name: 'mesh of 1,000, at most 300 tests at a time',
    shape: { nodes: 1000 },
    caps: { total: 300 },
    minRatio: 1,
    maxSeconds: 5,
  },
  {
    name: 'mesh of 1,000, 2 interfaces at once',
    shape: { nodes: 1000, interfaces: 2 },
    caps: { perNode: 2 },
    minRatio: 1,
    maxSeconds: 10,
  },
]

const secondsOf = <T>(work: () => T): [T, number] => {
  const start = performance.now()
  const result = work()
  return [result, (performance.now() - start) / 1000]
}

const measure = ({ name, shape, caps, minRatio, maxSeconds }: Goal): string[] => {
  const [{ input, plan }, seconds] = secondsOf(() => {
    const input = inputOf(shape, caps)
    const plan = createPlan(input)
    // The rounds are created on demand, so the time includes reading all of them.
    let pairs = 0
    for (const round of rounds(plan)) pairs += round.length
    if (pairs !== plan.pairCount) throw new Error(`${pairs} of ${plan.pairCount} pairs are in the rounds`)
    return { input, plan }
  })
  const [violations, checkSeconds] = secondsOf(() => checkPlan(input, plan))
  const mebibytes = process.resourceUsage().maxRSS / 1024
  const figures = [
    name.padEnd(42),
    String(plan.pairCount).padStart(9),
    String(plan.roundCount).padStart(7),
    String(plan.lowerBound).padStart(7),
    plan.ratio.toFixed(4).padStart(7),
    seconds.toFixed(2).padStart(7),
    checkSeconds.toFixed(2).padStart(7),
    mebibytes.toFixed(0).padStart(8),
  ]
  console.log(figures.join(' '))
  return [
    ...violations.map((violation) => `${name}: ${violation}`),
    ...(plan.ratio < minRatio ? [`${name}: ratio ${plan.ratio.toFixed(4)}, the goal is ${minRatio}`] : []),
    ...(seconds > maxSeconds ? [`${name}: ${seconds.toFixed(2)} s, the goal is ${maxSeconds} s`] : []),
    ...(mebibytes > MAX_MEBIBYTES
      ? [`${name}: ${mebibytes.toFixed(0)} MiB, the goal is ${MAX_MEBIBYTES} MiB`]
      : []),
  ]
}

const header = ['', 'pairs', 'rounds', 'bound', 'ratio', 'plan s', 'check s', 'peak MiB']
const widths = [42, 9, 7, 7, 7, 7, 7, 8]
console.log(header.map((title, index) => title.padStart(widths[index]!)).join(' '))
const missed = GOALS.flatMap(measure)
for (const line of missed) console.error(`MISSED  ${line}`)
process.exitCode = missed.length > 0 ? 1 : 0
