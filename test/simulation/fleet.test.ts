import { describe, expect, test } from 'vitest'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { inWorld, iperfMesh, pingMesh } from './harness.ts'

const INTERFACES = ['net0', 'net1']

describe('runs of a simulated fleet', () => {
  test('32 nodes, 992 pairs: all are measured, each has one result, and no verdict is given', () =>
    inWorld({ nodes: 32, interfaces: INTERFACES, mesh: false }, async ({ run, results }) => {
      const { run: done } = await run(iperfMesh)
      expect(done.state).toBe(RunState.RUN_STATE_COMPLETED)
      expect(done.plan).toMatchObject({ pairCount: 992, roundCount: 31, lowerBound: 31, certified: true })
      expect(done.progress).toMatchObject({ doneCount: 992, measuredCount: 992 })
      const stored = results(done)
      expect(stored).toHaveLength(992)
      expect(new Set(stored.map(({ outcome }) => outcome))).toEqual(new Set([Outcome.OUTCOME_MEASURED]))
      expect(done.verdicts).toEqual([])
    }))

  test('a slow sender, a slow receiver and a lossy node are named on their interfaces, and nothing else is', () =>
    inWorld({ nodes: 24, interfaces: INTERFACES, mesh: false }, async ({ run, fabric }) => {
      fabric.setFault({ node: 3, interface: 1 }, { sendRateRatio: 0.4 })
      fabric.setFault({ node: 17, interface: 0 }, { receiveRateRatio: 0.5 })
      const throughput = await run({ ...iperfMesh, interfaces: [] })
      const blamed = throughput.run.verdicts.map(
        ({ node, interface: name, direction }) => `${node} ${name} ${direction}`,
      )
      expect(blamed.sort()).toEqual(['s17 net0 rx', 's3 net1 tx'])
      fabric.setFault({ node: 8, interface: 0 }, { sendLossRatio: 0.1, receiveLossRatio: 0.1 })
      const loss = await run(pingMesh(50))
      expect(loss.run.verdicts.map(({ node, interface: name }) => `${node} ${name}`)).toEqual(['s8 net0'])
    }))

  test('a run that is cancelled while it waits for its interfaces has a result of each pair: it was not run', () =>
    inWorld({ nodes: 6, mesh: false }, async ({ run, clock, collector, results }) => {
      const first = run(iperfMesh)
      await clock.sleep(1)
      const { runs } = collector.parts()
      const waiting = await runs.create(iperfMesh)
      await clock.sleep(1)
      runs.cancel(waiting.id)
      for await (const step of runs.watch(waiting.id, new AbortController().signal)) {
        if (step.run.endTime) expect(step.run.state).toBe(RunState.RUN_STATE_CANCELLED)
      }
      const stored = results(waiting)
      expect(stored).toHaveLength(30)
      expect(new Set(stored.map(({ outcome }) => outcome))).toEqual(new Set([Outcome.OUTCOME_NOT_RUN]))
      expect((await first).run.progress!.measuredCount).toBe(30)
    }))

  test('a rack uplink carries no more flows than its cap', () =>
    inWorld({ nodes: 24, mesh: false }, async ({ run }) => {
      const caps = { perNodeCount: 0, perUplinkCount: 4, totalCount: 0, exclusiveNodes: false }
      const { run: done } = await run({ ...iperfMesh, caps })
      expect(done.plan!.bottleneck).toMatch(/rack/)
      expect(done.plan!.ratio).toBeGreaterThanOrEqual(0.95)
      expect(done.progress!.measuredCount).toBe(24 * 23)
    }))
})
