import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { failedPair, iperfPair, judgementOf, meshOf, runOf, slowSender } from '../testing/run-samples.ts'
import { noPaint } from './paint.ts'
import { type MeasuredRun, renderTrialAnswer, renderTrialTables, trialExitCode } from './trial-text.ts'

const run = (kind: TopologyKind, changes: Parameters<typeof runOf>[1] = {}) => {
  const made = runOf(RunState.RUN_STATE_COMPLETED, changes)
  return { ...made, spec: { ...made.spec!, topology: Topology.fromPartial({ kind }) } }
}

const ring: MeasuredRun = {
  name: 'iperf ring',
  run: run(TopologyKind.TOPOLOGY_KIND_RING),
  pairs: [
    iperfPair('n1', 'n2', 9.4e9),
    iperfPair('n2', 'n3', 48e6),
    failedPair('n3', 'n1', Outcome.OUTCOME_REFUSED, 'the port is closed'),
  ],
}
const mesh: MeasuredRun = {
  name: 'iperf mesh',
  run: run(TopologyKind.TOPOLOGY_KIND_MESH),
  pairs: meshOf(4, (source, destination) => iperfPair(source, destination, 9.4e9)),
}
const wholeRing = { ...ring, pairs: ring.pairs.slice(0, 2) }

describe('the texts of a trial', () => {
  test('healthy runs share one headline', () => {
    expect(renderTrialAnswer([wholeRing, mesh], noPaint)).toBe(
      'Healthy. No culprit among 4 nodes and 4 interfaces.',
    )
    expect(trialExitCode([wholeRing, mesh], 0)).toBe(0)
  })

  test('each run that is not good has its own headline', () => {
    const bad = { ...mesh, run: runOf(RunState.RUN_STATE_COMPLETED, { verdicts: [slowSender()] }) }
    const judgement = judgementOf('bad', '1 pair fails on net1 and no culprit explains it.')
    const badRing = { ...ring, run: { ...ring.run, judgement } }
    expect(renderTrialAnswer([badRing, bad], noPaint)).toBe(`iperf ring:
1 pair fails on net1 and no culprit explains it.
✘ 1 of 3 pairs could not be measured.
  1 refused, n3 → n1 on net1: the port is closed
iperf mesh:
✘ n3 sends badly on net1: 48 Mbit/s where its peers reach 9.4 Gbit/s.
  3 of 3 pairs agree. Retested on new ports: the same. Confidence 0.99. Trace abababab…`)
    expect(trialExitCode([badRing, bad], 0)).toBe(1)
    const unclear = { ...ring, run: runOf(RunState.RUN_STATE_CANCELLED) }
    expect(trialExitCode([unclear, mesh], 0)).toBe(3)
    expect(trialExitCode([wholeRing, mesh], 1)).toBe(1)
  })

  test('a ring is one line', () => {
    expect(
      renderTrialTables([ring], { paint: noPaint, columns: 80 }),
    ).toBe(`net1, Gbit/s received around the ring
  n1 ─ 9.40 → n2 ─ 0.05 → n3 ─ failed → n1`)
  })
})
