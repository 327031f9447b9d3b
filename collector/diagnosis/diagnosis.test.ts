import { describe, expect, test } from 'vitest'
import type { PairResult } from '../dispatch/pair-result.ts'
import { createRandom } from '../topology/random.ts'
import { diagnose } from './diagnosis.ts'
import {
  failedResult,
  iperfResult,
  meshResults,
  messages,
  nodeName,
  pingResult,
  retried,
} from './testing/model.ts'

const GOOD = 941e6
const BAD = 48e6

const onInterface = (results: PairResult[], name: string): PairResult[] =>
  results.map((result) => ({
    ...result,
    source: { ...result.source, interface: name },
    destination: { ...result.destination, interface: name },
  }))

const racksOf = (count: number, size: number): Map<string, string> =>
  new Map(Array.from({ length: count }, (_, node) => [nodeName(node), `r${Math.floor(node / size) + 1}`]))

describe('nodes', () => {
  test('names a node that sends badly', () => {
    const { verdicts, suspects } = diagnose({
      results: meshResults(6, (source, destination) =>
        iperfResult(source, destination, source === 2 ? BAD : GOOD),
      ),
    })
    expect(verdicts).toMatchObject([
      {
        kind: 'interface',
        node: 'node-3',
        interface: 'net1',
        direction: 'tx',
        message:
          'node-3 sends badly on net1: 48.0 Mbit/s where its peers reach 941 Mbit/s. 5 of 5 pairs that it sends agree; what it receives is fine (941 Mbit/s).',
        retested: false,
      },
    ])
    expect(verdicts[0]!.confidence).toBeGreaterThan(0.99)
    expect(verdicts[0]!.pairsFor).toHaveLength(5)
    expect(suspects).toHaveLength(5)
  })

  test('a retested pair is not a suspect', () => {
    const { verdicts, suspects } = diagnose({
      results: meshResults(6, (source, destination) =>
        source === 2
          ? retried(iperfResult(source, destination, BAD))
          : iperfResult(source, destination, GOOD),
      ),
    })
    expect(verdicts[0]!.retested).toBe(true)
    expect(verdicts[0]!.message).toMatch(/ Retested on new ports: the same\.$/)
    expect(suspects).toEqual([])
  })

  test('names a node that receives badly in the smallest mesh with enough peers', () => {
    expect(messages(meshResults(4, (from, to) => iperfResult(from, to, to === 0 ? BAD : GOOD)))).toEqual([
      'node-1 receives badly on net1: 48.0 Mbit/s where its peers reach 941 Mbit/s. 3 of 3 pairs that it receives agree; what it sends is fine (941 Mbit/s).',
    ])
    expect(messages(meshResults(3, (from, to) => iperfResult(from, to, to === 0 ? BAD : GOOD)))).toEqual([])
  })

  test('names a dead node', () => {
    expect(
      messages(
        meshResults(6, (from, to) =>
          from === 1 || to === 1 ? failedResult(from, to) : iperfResult(from, to, GOOD),
        ),
      ),
    ).toEqual(['node-2 cannot be reached on net1: 10 of 10 pairs fail. Reason given: no route to host.'])
  })

  test('names two of six nodes that affect more than half of the pairs', () => {
    const bad = new Set([2, 4])
    const { verdicts } = diagnose({
      results: meshResults(6, (from, to) => iperfResult(from, to, bad.has(from) || bad.has(to) ? BAD : GOOD)),
    })
    expect(verdicts.map(({ node, direction }) => [node, direction]).sort()).toEqual([
      ['node-3', 'both'],
      ['node-5', 'both'],
    ])
  })

  test('names the bad one of two interfaces', () => {
    const good = onInterface(
      meshResults(6, (from, to) => iperfResult(from, to, GOOD)),
      'net0',
    )
    const bad = meshResults(6, (from, to) => iperfResult(from, to, from === 2 ? BAD : GOOD))
    expect(messages([...good, ...bad])).toEqual([
      'node-3 sends badly on net1: 48.0 Mbit/s where its peers reach 941 Mbit/s. 5 of 5 pairs that it sends agree; what it receives is fine (941 Mbit/s), and so is net0.',
    ])
  })

  test('names the node when all its interfaces are bad', () => {
    const dead = meshResults(6, (from, to) =>
      from === 1 || to === 1 ? failedResult(from, to) : iperfResult(from, to, GOOD),
    )
    const { verdicts } = diagnose({ results: [...onInterface(dead, 'net0'), ...dead] })
    expect(verdicts).toMatchObject([
      {
        kind: 'node',
        node: 'node-2',
        interface: '',
        message:
          'node-2 cannot be reached on any of its interfaces (net0, net1): 20 of 20 pairs fail. Reason given: no route to host.',
      },
    ])
  })

  test('in a reversed test the source is the receiver', () => {
    const results = meshResults(6, (from, to) => iperfResult(from, to, from === 2 ? BAD : GOOD))
    expect(diagnose({ results, reversed: true }).verdicts).toMatchObject([
      { node: 'node-3', direction: 'rx' },
    ])
  })

  test('names a node below the absolute limit', () => {
    const results = meshResults(6, (from, to) => iperfResult(from, to, from === 2 ? 0.8 * GOOD : GOOD))
    expect(diagnose({ results }).verdicts).toEqual([])
    expect(diagnose({ results, thresholds: { minBitsPerSecond: 0.9 * GOOD } }).verdicts).toMatchObject([
      { node: 'node-3', direction: 'tx' },
    ])
  })
})

describe('pings', () => {
  const lossy = (share: number, probes: number, seed: number) => {
    const random = createRandom(seed)
    const lost = (from: number, to: number) =>
      Array.from({ length: probes }).filter(() => (from === 2 || to === 2) && random() < share).length
    return meshResults(6, (from, to) => pingResult(from, to, lost(from, to), probes))
  }

  test('names a node that loses 1 probe in 10', () => {
    for (let seed = 0; seed < 20; seed++) {
      expect(diagnose({ results: lossy(0.1, 20, seed) }).verdicts).toMatchObject([
        { node: 'node-3', direction: 'both' },
      ])
    }
    expect(messages(lossy(0.1, 100, 1))[0]).toMatch(
      /^node-3 loses packets on net1: \d+(\.\d+)? % of its probes where its peers lose 0 %\. 10 of 10 pairs/,
    )
  })

  test('names a node that answers late', () => {
    const results = meshResults(6, (from, to) =>
      pingResult(from, to, 0, 10, from === 2 || to === 2 ? 0.005 : 0.0001),
    )
    expect(messages(results)).toEqual([
      'node-3 answers late on net1: 5.0 ms where its peers take 0.10 ms. 10 of 10 pairs that it is in agree.',
    ])
  })

  test('a fleet with little loss everywhere has no culprit', () => {
    const random = createRandom(7)
    const results = meshResults(20, (from, to) => pingResult(from, to, random() < 0.1 ? 1 : 0, 10))
    expect(messages(results)).toEqual([])
  })
})

describe('racks', () => {
  const rackOf = (node: number) => Math.floor(node / 4)

  test('names an uplink that sends badly', () => {
    const results = meshResults(12, (from, to) =>
      iperfResult(from, to, rackOf(from) === 1 && rackOf(to) !== 1 ? 200e6 : GOOD),
    )
    expect(diagnose({ results, racks: racksOf(12, 4) }).verdicts).toMatchObject([
      {
        kind: 'rack_uplink',
        rack: 'r2',
        node: '',
        direction: 'tx',
        message:
          'Rack r2 sends badly to other racks on net1: 200 Mbit/s where its peers reach 941 Mbit/s. 32 of 32 pairs across its uplink agree; pairs inside of it are not affected.',
      },
    ])
  })

  test('names a rack when two racks are cut off from each other', () => {
    const half = (node: number) => Math.floor(node / 3)
    const results = meshResults(6, (from, to) =>
      half(from) === half(to) ? iperfResult(from, to, GOOD) : failedResult(from, to),
    )
    expect(messages(results, racksOf(6, 3))).toEqual([
      'Rack r1 cannot be reached across racks on net1: 18 of 18 pairs fail. 18 of 18 pairs across its uplink agree; pairs inside of it are not affected. With two racks only, it may as well be rack r2.',
    ])
  })

  test('uplinks that are slower than links inside racks are a separate class', () => {
    const results = meshResults(12, (from, to) =>
      iperfResult(from, to, rackOf(from) === rackOf(to) ? GOOD : 300e6),
    )
    expect(messages(results, racksOf(12, 4))).toEqual([])
  })

  test('a dead node is not an uplink', () => {
    const results = meshResults(12, (from, to) =>
      from === 5 || to === 5 ? failedResult(from, to) : iperfResult(from, to, GOOD),
    )
    expect(diagnose({ results, racks: racksOf(12, 4) }).verdicts).toMatchObject([
      { kind: 'interface', node: 'node-6' },
    ])
  })
})
