import { expect, test } from 'vitest'
import { runCommandLine } from './program.ts'
import { testTerminal } from './testing/test-terminal.ts'

const runPlan = async (words: string) => {
  const terminal = testTerminal()
  return { code: await runCommandLine(words.split(' '), terminal), out: terminal.out(), err: terminal.err() }
}

test('plan --count needs no collector', async () => {
  const { code, out } = await runPlan(
    'plan mesh --count 16 --rack-size 4 --uplink-cap 2 --duration 2s --json',
  )
  expect(code).toBe(0)
  // The 4 nodes of a rack send to 12 nodes outside it, at most 2 flows at a time.
  expect(JSON.parse(out)).toMatchObject({
    nodes: 16,
    pairs: 240,
    rounds: 24,
    lowerBound: 24,
    ratio: 1,
    certified: true,
  })
  expect((JSON.parse(out) as { seconds: number }).seconds).toBeGreaterThan(48)
})

test('plan --count prints the plan in one sentence', async () => {
  const { out } = await runPlan('plan mesh --count 64 --duration 10s --interface net1')
  expect(out).toBe(
    'mesh of 64 nodes on net1: 4,032 pairs in 63 rounds (the fewest possible: each node sends 63 tests, one at a time), about 11 min. Certificate verified.\n',
  )
})

test('plan --count accepts every topology', async () => {
  for (const words of [
    'ring',
    'star --center node-2',
    'shifts --shifts 3',
    'pairs --pairs node-1:node-2',
    'matrix --clients rack=rack-1 --servers node-7',
  ]) {
    const { code, err } = await runPlan(`plan ${words} --count 8 --rack-size 4`)
    expect([words, code, err]).toEqual([words, 0, ''])
  }
})

test('plan --count reports problems with the synthetic fleet', async () => {
  const { code, err } = await runPlan('plan star --count 5 --center node-9')
  expect([code, err]).toEqual([
    2,
    '1 problem; nothing was done.\n  --center  node-9 is not among the nodes; did you mean node-1?\n',
  ])
  expect((await runPlan('plan mesh --rack-size 4')).err).toContain('--rack-size  needs --count')
})
