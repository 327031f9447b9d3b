/** A lab of five hosts for the tests of one file, and functions that select pairs of a run document. */

import { afterAll, afterEach, beforeAll } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type Document, type Pair, startTestFleet, type TestFleet } from '../testing/test-fleet.ts'

/** The result of one pair on interface `name`. */
export const between = (document: Document, source: string, destination: string, name: string): Pair =>
  document.pairs.find(
    (pair) =>
      pair.source.node === source && pair.destination.node === destination && pair.source.interface === name,
  )!
export const isFrom = (node: string, name: string) => (pair: Pair) =>
  pair.source.node === node && pair.source.interface === name

/** The pairs that were not measured, with their reasons as text. */
export const unmeasured = (pairs: readonly Pair[]) =>
  pairs
    .filter(({ outcome }) => outcome !== 'measured')
    .map(
      ({ source, destination, outcome, reason }) =>
        `${source.node} > ${destination.node}: ${outcome}: ${reason}`,
    )
/** The distinct outcomes, sorted. */
export const outcomes = (pairs: readonly Pair[]) => [...new Set(pairs.map(({ outcome }) => outcome))].sort()

type RunRecord = { id: string; state: string; progress?: { measuredCount?: number } }

/** Starts the lab for all tests of a `describe`. After each test, heals all faults and waits until no program measures. */
export const useFiveHostFleet = () => {
  const hosts = {} as { fleet: TestFleet }
  const measuringPrograms = () => hosts.fleet.programsInside(/^\S*(iperf3|fping)\b/)
  beforeAll(async () => {
    hosts.fleet = await startTestFleet({ nodes: 5 })
    await hosts.fleet.untilReady()
  })
  afterEach(async () => {
    await hosts.fleet.heal()
    await eventually(measuringPrograms, (found) => found.length === 0)
  })
  afterAll(async () => {
    hosts.fleet.client.close()
    await hosts.fleet.close()
  })
  /**
   * Waits until the newest run measures and has at least `measuredCount` results. An agent also starts iperf3 and fping
   * to read their versions, so a program in a host is no proof that a run has begun.
   */
  const untilRunning = async ({ measuredCount = 0 } = {}): Promise<RunRecord> => {
    const { runs } = await eventually(
      () =>
        hosts.fleet.client.call<{ runs?: RunRecord[] }>('meshgauge.collector.v1.RunService', 'ListRuns', {
          pageSize: 1,
        }),
      ({ runs: [newest] = [] }: { runs?: RunRecord[] }) =>
        newest?.state === 'RUN_STATE_RUNNING' && (newest.progress?.measuredCount ?? 0) >= measuredCount,
    )
    return runs![0]!
  }
  return Object.assign(hosts, { measuringPrograms, untilRunning })
}
