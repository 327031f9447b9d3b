/** A lab of five hosts for the tests of one file that run meshes on it, and how they read what came of it. */

import { afterAll, afterEach, beforeAll } from 'vitest'
import { eventually } from '../protocol/descendants.ts'
import { type Document, type Pair, startFleet, type TestFleet } from './fleet.ts'

export const between = (document: Document, source: string, destination: string, name: string): Pair =>
  document.pairs.find(
    (pair) =>
      pair.source.node === source && pair.destination.node === destination && pair.source.interface === name,
  )!
export const isFrom = (node: string, name: string) => (pair: Pair) =>
  pair.source.node === node && pair.source.interface === name

/** What must have been measured and was not, with the reasons, for a failing test to show. */
export const unmeasured = (pairs: readonly Pair[]) =>
  pairs
    .filter(({ outcome }) => outcome !== 'measured')
    .map(
      ({ source, destination, outcome, reason }) =>
        `${source.node} > ${destination.node}: ${outcome}: ${reason}`,
    )
export const outcomes = (pairs: readonly Pair[]) => [...new Set(pairs.map(({ outcome }) => outcome))].sort()

type RunRecord = { id: string; state: string; progress?: { measuredCount?: number } }

/** To be called once, where a file describes its lab. After each test all is healed, and nothing measures any more. */
export const useFiveHosts = () => {
  const hosts = {} as { fleet: TestFleet }
  const strays = () => hosts.fleet.programsInside(/^\S*(iperf3|fping)\b/)
  beforeAll(async () => {
    hosts.fleet = await startFleet({ nodes: 5 })
    await hosts.fleet.untilReady()
  })
  afterEach(async () => {
    await hosts.fleet.heal()
    await eventually(strays, (found) => found.length === 0)
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
  return Object.assign(hosts, { strays, untilRunning })
}
