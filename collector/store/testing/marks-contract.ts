import { expect, test } from 'vitest'
import { HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Store } from '../store.ts'
import { START, sampleId, sampleResult, sampleRun } from './samples.ts'

/** Tests of every store: the marks of results. */
export const describeMarks = (store: () => Store): void => {
  test('the end of a run marks results, and they keep their samples', () => {
    const run = sampleRun({ id: sampleId(START) })
    store().createRun(run)
    const host = HostSamples.fromPartial({ problem: 'no counters' })
    const marked = sampleResult(2, { sourceHost: host })
    store().putResults(run.id, [sampleResult(1), marked])
    store().updateRun({ ...run, state: RunState.RUN_STATE_COMPLETED }, [marked, sampleResult(3)])
    const { results } = store().listResults(run.id, { size: 10, token: '' })
    expect(results.map(({ isMarked }) => isMarked)).toEqual([false, true])
    expect(results[1]).toEqual({ ...marked, isMarked: true })
    expect(store().getRun(run.id).state).toBe(RunState.RUN_STATE_COMPLETED)
  })
}
