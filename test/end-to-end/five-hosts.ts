/** A lab of five hosts for the tests of one file that run meshes on it, and how they read what came of it. */

import { statSync } from 'node:fs'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { eventually, namespaceOf, processes } from '../protocol/descendants.ts'
import { type Document, type Pair, startFleet, type TestFleet } from './fleet.ts'

export const MESH = ['run', 'mesh', '--test', 'iperf', '--duration', '1s']
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

/** To be called once, where a file describes its lab. After each test all is healed, and nothing measures any more. */
export const useFiveHosts = () => {
  const hosts = {} as { fleet: TestFleet }
  /** Every iperf3 and fping that runs inside this lab's namespaces, wherever it hangs in the process tree. */
  const strays = () => {
    const namespaces = hosts.fleet.lab.nodes.map(({ namespace }) => statSync(`/run/netns/${namespace}`).ino)
    return processes().filter(
      ({ pid, command }) => /^\S*(iperf3|fping)\b/.test(command) && namespaces.includes(namespaceOf(pid)),
    )
  }
  beforeAll(async () => {
    hosts.fleet = await startFleet({ nodes: 5 })
    await hosts.fleet.client.call('meshgauge.collector.v1.FleetService', 'ListNodes', {})
  })
  afterEach(async () => {
    await hosts.fleet.heal()
    await eventually(strays, (found) => found.length === 0)
  })
  afterAll(async () => {
    hosts.fleet.client.close()
    await hosts.fleet.close()
  })
  return Object.assign(hosts, { strays })
}
