import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HostSamples } from '#proto/meshgauge/agent/v1/host.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { DEFAULT_PAGE_SIZE, MAX_PAGE_BYTES, MAX_PAGE_SIZE } from '../../../lib/paging.ts'
import { fromTimestamp } from '../../../lib/protobuf-time.ts'
import type { Store } from '../store.ts'
import { describeMarks } from './marks-contract.ts'
import { START, sampleId, sampleRecord, sampleResult, sampleRun } from './samples.ts'
import { describeWindowStore, sampleWindow } from './windows-contract.ts'

const FIRST = { size: 0, token: '' }
const later = (seconds: number) => new Date(START.getTime() + seconds * 1000)
const sampleResults = (count: number) => Array.from({ length: count }, (_, index) => sampleResult(index))

type Opened = { store: Store; remove: () => void }

/** Tests of every store. `open` returns an empty one. */
export const describeStore = (name: string, open: () => Opened): void => {
  describe(name, () => {
    let opened: Opened
    let store: Store
    beforeEach(() => {
      opened = open()
      store = opened.store
    })
    afterEach(() => {
      store.close()
      opened.remove()
    })

    describeRuns(() => store)
    describeResults(() => store)
    for (const part of [describeHostSamples, describeMarks, describeInterruption]) part(() => store)
    describeChecks(() => store)
    describeWindowStore(() => store)

    test('closing twice is allowed', () => {
      store.close()
      store.close()
    })
  })
}

/** Tests of a store that persists its data. `reopen` closes it and opens the same data again. */
export const describePersistentStore = (name: string, open: () => Opened & { reopen: () => Store }): void => {
  test(`${name}: all content is stored after closing and opening again`, () => {
    const { store, reopen, remove } = open()
    const run = sampleRun()
    store.createRun(run)
    store.putResults(run.id, sampleResults(3))
    store.putChecks([{ node: 'node-1', record: sampleRecord('dcgm') }])
    const key = { source: 'a', destination: 'b', interface: 'net0' }
    store.pathId({ ...key, interface: 'never used' })
    const path = store.pathId(key)
    store.putWindows([sampleWindow(path, 0), sampleWindow(path, 70)], [])
    store.putDocuments([{ kind: 'schedule', name: 'nightly', body: new Uint8Array([7]) }])
    const identity = store.identity()
    const again = reopen()
    expect(again.getRun(run.id)).toEqual(run)
    expect(again.pathId(key)).toBe(path)
    const { startMs } = sampleWindow(path, 0)
    expect(again.history(path, startMs, startMs + 100_000, 1).windows).toEqual([
      sampleWindow(path, 0),
      sampleWindow(path, 70),
    ])
    expect(again.documents('schedule')).toEqual(new Map([['nightly', new Uint8Array([7])]]))
    expect(again.identity()).toBe(identity)
    expect([...again.coverage('iperf')]).toHaveLength(3)
    expect(again.allResults(run.id)).toEqual(sampleResults(3))
    expect(again.lastMeasured().get('node-3')).toEqual({ iperf: later(2) })
    expect(again.checks()).toEqual([{ node: 'node-1', record: sampleRecord('dcgm') }])
    again.close()
    remove()
  })
}

const describeHostSamples = (store: () => Store): void => {
  test('pages of results include host samples, and allResults leaves them out', () => {
    const run = sampleRun()
    const host = HostSamples.fromPartial({ pcpJson: '{}', samples: [{ cpus: [{ cpu: 1, busyRatio: 0.5 }] }] })
    store().createRun(run)
    store().putResults(run.id, [sampleResult(1, { sourceHost: host, destinationHost: host })])
    const { results } = store().listResults(run.id, FIRST)
    expect(results[0]).toMatchObject({ sourceHost: host, destinationHost: host })
    expect(store().allResults(run.id)).toEqual([sampleResult(1)])
  })
}

const describeRuns = (store: () => Store): void => {
  test('a run is returned as it was created, and as it was last updated', () => {
    const run = sampleRun()
    store().createRun(run)
    expect(store().getRun(run.id)).toEqual(run)
    const running = {
      ...run,
      state: RunState.RUN_STATE_RUNNING,
      progress: { doneCount: 1, measuredCount: 1, pairCount: 2, round: 1, remaining: undefined },
    }
    store().updateRun(running)
    expect(store().getRun(run.id)).toEqual(running)
  })

  test('a run is found by any unambiguous prefix of its id, in upper or lower case, and as latest', () => {
    const old = sampleRun({ id: '01950000-0000-7000-8000-00000000000a' })
    const recent = sampleRun({ id: '01950000-0001-7000-8000-00000000000b' })
    store().createRun(old)
    store().createRun(recent)
    expect(store().getRun('01950000-0000').id).toBe(old.id)
    expect(store().getRun('01950000-0001-7000-8000-00000000000B').id).toBe(recent.id)
    expect(store().getRun('latest').id).toBe(recent.id)
    expect(() => store().getRun('0195')).toThrow(
      expect.objectContaining({
        reason: 'NOT_FOUND',
        message: `more than one run begins with 0195: ${old.id}, ${recent.id}`,
      }),
    )
  })

  test.each(['01950000-ffff', 'nonsense', "' OR 1=1 --", '%', '', 'latest'])('run %j is not found', (id) => {
    expect(() => store().getRun(id)).toThrow(expect.objectContaining({ reason: 'NOT_FOUND' }))
    expect(() => store().allResults(id)).toThrow(expect.objectContaining({ reason: 'NOT_FOUND' }))
    expect(() => store().listResults(id, FIRST)).toThrow(expect.objectContaining({ reason: 'NOT_FOUND' }))
  })

  test('the error for an ambiguous prefix lists five runs', () => {
    for (let index = 0; index < 9; index++) store().createRun(sampleRun({ id: sampleId(later(index)) }))
    expect(() => store().getRun('0')).toThrow(/^more than one run begins with 0: (\S+, ){4}\S+ and more$/)
  })

  test('a run is found by the id of the request that created it', () => {
    const run = { ...sampleRun(), requestId: 'request-1' }
    store().createRun(run)
    store().createRun(sampleRun({ id: sampleId(later(1)) }))
    store().createRun(sampleRun({ id: sampleId(later(2)) }))
    expect(store().runOfRequest('request-1')).toEqual(run)
    store().updateRun({ ...run, state: RunState.RUN_STATE_COMPLETED })
    expect(store().runOfRequest('request-1')!.state).toBe(RunState.RUN_STATE_COMPLETED)
    expect(store().runOfRequest('request-2')).toBeUndefined()
    expect(store().runOfRequest('')).toBeUndefined()
  })

  test('runs are listed newest first, page by page', () => {
    const ids = Array.from({ length: 7 }, (_, index) => sampleId(later(index)))
    for (const id of ids) store().createRun(sampleRun({ id }))
    const seen: string[] = []
    let token = ''
    do {
      const page = store().listRuns({ size: 3, token })
      seen.push(...page.runs.map(({ id }) => id))
      token = page.nextPageToken
    } while (token !== '')
    expect(seen).toEqual(ids.toReversed())
    expect(store().listRuns(FIRST).runs).toHaveLength(7)
    expect(store().listRuns({ size: 7, token: '' }).nextPageToken).toBe('')
  })

  test('a token that is not from this list is refused', () => {
    const run = sampleRun()
    store().createRun(run)
    store().createRun(sampleRun({ id: sampleId(later(1)) }))
    store().putResults(run.id, sampleResults(2))
    const ofResults = store().listResults(run.id, { size: 1, token: '' }).nextPageToken
    const ofRuns = store().listRuns({ size: 1, token: '' }).nextPageToken
    const refusal = expect.objectContaining({
      reason: 'SPEC_INVALID',
      violations: [{ field: 'page_token', description: 'is not a next_page_token of this list' }],
    })
    for (const token of ['x', '3', 'dTE=', ofResults]) {
      expect(() => store().listRuns({ size: 1, token })).toThrow(refusal)
    }
    expect(() => store().listResults(run.id, { size: 1, token: ofRuns })).toThrow(refusal)
  })

  test('creating a run twice or updating one that was never created is a bug, not an operating error', () => {
    const run = sampleRun()
    expect(() => store().updateRun(run)).toThrow(expect.not.objectContaining({ name: 'OperatingError' }))
    store().createRun(run)
    expect(() => store().createRun(run)).toThrow(expect.not.objectContaining({ name: 'OperatingError' }))
  })
}

const describeResults = (store: () => Store): void => {
  test('results of a run are returned in the order in which they were stored', () => {
    const [a, b] = [sampleRun({ id: sampleId(START) }), sampleRun({ id: sampleId(later(1)) })]
    store().createRun(a)
    store().createRun(b)
    store().putResults(a.id, [sampleResult(5), sampleResult(2)])
    store().putResults(b.id, [sampleResult(9)])
    store().putResults(a.id, [sampleResult(7)])
    store().putResults(a.id, [])
    expect(store().allResults(a.id)).toEqual([sampleResult(5), sampleResult(2), sampleResult(7)])
    expect(store().allResults(b.id)).toEqual([sampleResult(9)])
  })

  test('a later result of a pair replaces the earlier one', () => {
    const run = sampleRun()
    store().createRun(run)
    store().putResults(run.id, [sampleResult(1), sampleResult(2)])
    const retest = sampleResult(1, {
      attemptCount: 2,
      outcome: Outcome.OUTCOME_UNREACHABLE,
      values: undefined,
    })
    store().putResults(run.id, [retest])
    expect(store().allResults(run.id)).toEqual([retest, sampleResult(2)])
  })

  test('results are listed page by page, also while more are stored', () => {
    const run = sampleRun()
    store().createRun(run)
    store().putResults(run.id, sampleResults(5))
    const first = store().listResults(run.id, { size: 3, token: '' })
    store().putResults(run.id, [sampleResult(5)])
    const second = store().listResults('latest', { size: 3, token: first.nextPageToken })
    expect([...first.results, ...second.results]).toEqual(sampleResults(6))
    expect(second.nextPageToken).toBe('')
  })

  test('a page is limited to the largest page size and to the bytes of a message', () => {
    const run = sampleRun()
    store().createRun(run)
    store().putResults(run.id, sampleResults(MAX_PAGE_SIZE + 1))
    expect(store().listResults(run.id, FIRST).results).toHaveLength(DEFAULT_PAGE_SIZE)
    const largest = store().listResults(run.id, { size: 1_000_000, token: '' })
    expect(largest.results).toHaveLength(MAX_PAGE_SIZE)

    const long = sampleRun({ id: sampleId(later(1)) })
    store().createRun(long)
    const reason = 'x'.repeat(MAX_PAGE_BYTES / 4)
    store().putResults(
      long.id,
      [0, 1, 2, 3, 4].map((index) => sampleResult(index, { reason })),
    )
    const page = store().listResults(long.id, FIRST)
    expect(page.results).toHaveLength(3)
    expect(store().listResults(long.id, { size: 0, token: page.nextPageToken }).results).toHaveLength(2)
  })

  test('results of a run that was never created are a bug, and none of them is stored', () => {
    expect(() => store().putResults(sampleId(START), sampleResults(2))).toThrow(/was never created/)
    expect(store().lastMeasured().size).toBe(0)
  })

  test('a measured pair sets the last measurement of both nodes, and an earlier one does not', () => {
    const run = sampleRun()
    store().createRun(run)
    store().putResults(run.id, [sampleResult(8)])
    store().putResults(run.id, [sampleResult(7)])
    store().putResults(run.id, [
      sampleResult(20, { outcome: Outcome.OUTCOME_UNREACHABLE, values: undefined }),
    ])
    store().putResults(run.id, [sampleResult(21, { outcome: Outcome.OUTCOME_INVALID })])
    const measured = store().lastMeasured()
    expect([...measured.keys()].sort()).toEqual(['node-7', 'node-8', 'node-9'])
    expect(measured.get('node-8')).toEqual({ iperf: later(8) })
  })
}

const describeInterruption = (store: () => Store): void => {
  test('unfinished runs become interrupted, and keep their results', () => {
    const states = [
      RunState.RUN_STATE_COMPLETED,
      RunState.RUN_STATE_RUNNING,
      RunState.RUN_STATE_PENDING,
      RunState.RUN_STATE_CANCELLED,
    ]
    const runs = states.map((state, index) => sampleRun({ id: sampleId(later(index)), state }))
    for (const run of runs) store().createRun(run)
    const failed = sampleResult(1, { outcome: Outcome.OUTCOME_TIMED_OUT, values: undefined })
    store().putResults(runs[1]!.id, [sampleResult(4), failed])

    const changed = store().interruptUnfinished('the collector stopped', later(100))
    expect(changed.map(({ id }) => id)).toEqual([runs[1]!.id, runs[2]!.id])
    for (const run of changed) {
      expect(store().getRun(run.id)).toEqual(run)
      expect(run.state).toBe(RunState.RUN_STATE_INTERRUPTED)
      expect(run.stateReason).toBe('the collector stopped')
    }
    expect(changed[0]!.progress).toMatchObject({ doneCount: 2, measuredCount: 1, pairCount: 2 })
    expect(fromTimestamp(changed[0]!.endTime)).toEqual(later(4))
    expect(fromTimestamp(changed[1]!.endTime)).toEqual(later(100))
    expect(store().getRun(runs[0]!.id)).toEqual(runs[0])
    expect(store().interruptUnfinished('again', later(200))).toEqual([])
  })
}

const describeChecks = (store: () => Store): void => {
  test('check records are stored completely by node and check, and a later one replaces the earlier', () => {
    const of = (node: string, check: string, fields = {}) => ({ node, record: sampleRecord(check, fields) })
    expect(store().checks()).toEqual([])
    store().putChecks([of('b', 'ping'), of('b', 'dcgm'), of('a', 'ping')])
    store().putChecks([])
    expect(store().checks()).toEqual([of('a', 'ping'), of('b', 'dcgm'), of('b', 'ping')])
    const changed = of('b', 'ping', { findings: [], standingReason: '', parameters: {} })
    store().putChecks([changed])
    expect(store().checks('b')).toEqual([of('b', 'dcgm'), changed])
    for (const unknown of ['c', '', "' OR 1=1 --", '%']) expect(store().checks(unknown)).toEqual([])
  })
}
