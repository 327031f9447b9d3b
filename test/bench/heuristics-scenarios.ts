/** Model fabrics with known faults, for heuristics.bench.ts. */

import { failedResult, LINE_RATE, meshOf, nodeName } from '../../collector/diagnosis/testing/model.ts'
import type { Random } from '../../collector/topology/random.ts'
import { type NodePairs, shiftPairs } from '../../collector/topology/topology.ts'
import {
  type Culprit,
  choose,
  iperf,
  type Measure,
  onInterface,
  ping,
  RX,
  rackName,
  racksOf,
  type Scenario,
  TX,
} from './heuristics-model.ts'

/** Some nodes reach only a share of the line rate in one direction. */
const slowNodes = (nodes: number, count: number, left: number, random: Random) => {
  const tx = new Float64Array(nodes).fill(1)
  const rx = new Float64Array(nodes).fill(1)
  const faults = choose(nodes, count, random).map((node) => {
    const isTx = random() < 0.5
    if (isTx) tx[node] = left
    else rx[node] = left
    return onInterface(node, [isTx ? TX : RX])
  })
  return { faults, share: (source: number, destination: number) => Math.min(tx[source]!, rx[destination]!) }
}

const slow = (
  name: string,
  nodes: number,
  count: number,
  pairsOf: (random: Random) => NodePairs,
  noise = 0.02,
): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const { faults, share } = slowNodes(nodes, count, 0.6, random)
    return { faults, racks: new Map(), pairs: pairsOf(random), measure: iperf(random, share, noise) }
  },
})

const shifts = (nodes: number, count: number) => (random: Random) =>
  shiftPairs(
    nodes,
    choose(nodes - 1, count, random).map((shift) => shift + 1),
  )

/** Some nodes lose probes in both directions; a probe is lost on its way there or back. */
const lossy = (name: string, nodes: number, count: number, ratio: number, sent: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const bad = new Set(choose(nodes, count, random))
    const loss = (source: number, destination: number) =>
      bad.has(source) || bad.has(destination) ? ratio : 0.0001
    const faults = [...bad].map((node) => onInterface(node))
    return { faults, racks: new Map(), pairs: meshOf(nodes), measure: ping(random, loss, sent) }
  },
})

const dead = (name: string, nodes: number, count: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const bad = new Set(choose(nodes, count, random))
    const good = iperf(random, () => 1)
    const measure: Measure = (source, destination, attempt) =>
      bad.has(source) || bad.has(destination)
        ? failedResult(source, destination, attempt)
        : good(source, destination, attempt)
    const faults = [...bad].map((node) => onInterface(node))
    return { faults, racks: new Map(), pairs: meshOf(nodes), measure }
  },
})

const uplink = (name: string, nodes: number, slowInside: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const rack = rackName(choose(nodes, 1, random)[0]!)
    const isTx = random() < 0.5
    const bad = slowInside > 0 ? slowNodes(nodes, slowInside, 0.6, random) : undefined
    const share = (source: number, destination: number) => {
      const crosses = rackName(source) !== rackName(destination)
      const limit = crosses && rackName(isTx ? source : destination) === rack ? 0.5 : 1
      return Math.min(limit, bad?.share(source, destination) ?? 1)
    }
    const culprit: Culprit = { kind: 'rack_uplink', rack, directions: [isTx ? TX : RX] }
    const faults = [culprit, ...(bad?.faults ?? [])]
    return { faults, racks: racksOf(nodes), pairs: meshOf(nodes), measure: iperf(random, share) }
  },
})

/** All nodes of a rack are bad: their interfaces are culprits, the uplink is not. */
const badRack = (name: string, nodes: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const rack = rackName(choose(nodes, 1, random)[0]!)
    const bad = Array.from({ length: nodes }, (_, node) => node).filter((node) => rackName(node) === rack)
    const share = (source: number) => (rackName(source) === rack ? 0.5 : 1)
    const faults = bad.map((node) => onInterface(node, [TX]))
    return { faults, racks: racksOf(nodes), pairs: meshOf(nodes), measure: iperf(random, share) }
  },
})

const links = (name: string, nodes: number, count: number, collisions: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const ends = choose(nodes, 2 * count, random)
    const bad = new Map(Array.from({ length: count }, (_, index) => [ends[2 * index]!, ends[2 * index + 1]!]))
    const share = (source: number, destination: number) => (bad.get(source) === destination ? 0.4 : 1)
    const faults = [...bad].map(
      ([source, destination]): Culprit => ({
        kind: 'link',
        node: nodeName(source),
        peer: nodeName(destination),
      }),
    )
    return {
      faults,
      racks: new Map(),
      pairs: meshOf(nodes),
      measure: iperf(random, share, 0.02, collisions),
    }
  },
})

/** Some nodes have interfaces of less than half the speed. It is a fault when their link speed does not say so. */
const mixedSpeeds = (name: string, nodes: number, count: number, reportsSpeed: boolean): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const slower = new Set(choose(nodes, count, random))
    const shareOf = (node: number) => (slower.has(node) ? 0.4 : 1)
    const measure = iperf(
      random,
      (source, destination) => Math.min(shareOf(source), shareOf(destination)),
      0.02,
      0,
    )
    const speedOf = (node: number) => (reportsSpeed ? 1.1 * LINE_RATE * shareOf(node) : undefined)
    return {
      faults: reportsSpeed ? [] : [{ kind: 'class' }],
      racks: new Map(),
      pairs: meshOf(nodes),
      measure: (source, destination, attempt) => ({
        ...measure(source, destination, attempt),
        sourceSpeedBitsPerSecond: speedOf(source),
        destinationSpeedBitsPerSecond: speedOf(destination),
      }),
    }
  },
})

/** Two racks whose pairs across reach a tenth, in one direction or in both. Any of both uplinks explains it. */
const slowBetweenTwoRacks = (name: string, nodes: number, isBothWays: boolean): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const rackOf = (node: number) => (node < nodes / 2 ? 'r0' : 'r1')
    const share = (source: number, destination: number) => {
      if (rackOf(source) === rackOf(destination)) return 1
      return isBothWays || rackOf(source) === 'r0' ? 0.1 : 0.85
    }
    const racks = new Map(Array.from({ length: nodes }, (_, node) => [nodeName(node), rackOf(node)]))
    const faults: Culprit[] = [{ kind: 'rack_uplink', rack: 'r0', ...(!isBothWays && { directions: [TX] }) }]
    return { faults, racks, pairs: meshOf(nodes), measure: iperf(random, share, 0.1, 0) }
  },
})

/** No node is bad, but their interfaces have all speeds from a quarter of the line rate to all of it. */
const spreadSpeeds = (name: string, nodes: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const speed = Float64Array.from({ length: nodes }, () => 0.25 + 0.75 * random())
    const share = (source: number, destination: number) => Math.min(speed[source]!, speed[destination]!)
    return { faults: [], racks: new Map(), pairs: meshOf(nodes), measure: iperf(random, share, 0.02, 0) }
  },
})

/** Many nodes receive slowly, and send well. */
const slowReceivers = (name: string, nodes: number, count: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const bad = new Set(choose(nodes, count, random))
    const share = (_source: number, destination: number) => (bad.has(destination) ? 0.6 : 1)
    const faults = [...bad].map((node) => onInterface(node, [RX]))
    return { faults, racks: new Map(), pairs: meshOf(nodes), measure: iperf(random, share) }
  },
})

/** No uplink is bad, but the two racks are joined by half of the line rate per pair; some nodes are slower than that. */
const twoRacks = (name: string, nodes: number, left: number, count: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const rackOf = (node: number) => (node < nodes / 2 ? 'r0' : 'r1')
    const bad = slowNodes(nodes, count, left, random)
    const share = (source: number, destination: number) =>
      Math.min(rackOf(source) === rackOf(destination) ? 1 : 0.5, bad.share(source, destination))
    const racks = new Map(Array.from({ length: nodes }, (_, node) => [nodeName(node), rackOf(node)]))
    return { faults: bad.faults, racks, pairs: meshOf(nodes), measure: iperf(random, share, 0.02, 0) }
  },
})

/** Uplinks give every pair across racks half of the line rate; two nodes are slower than that. */
const oversubscribed = (name: string, nodes: number, left: number, count: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const bad = slowNodes(nodes, count, left, random)
    const share = (source: number, destination: number) =>
      Math.min(rackName(source) === rackName(destination) ? 1 : 0.5, bad.share(source, destination))
    return {
      faults: bad.faults,
      racks: racksOf(nodes),
      pairs: meshOf(nodes),
      measure: iperf(random, share, 0.02, 0),
    }
  },
})

const late = (name: string, nodes: number, count: number): Scenario => ({
  name,
  nodes,
  create: (random) => {
    const bad = new Set(choose(nodes, count, random))
    const rtt = (source: number, destination: number) =>
      bad.has(source) || bad.has(destination) ? 0.005 : 0.0001
    const faults = [...bad].map((node) => onInterface(node))
    return { faults, racks: new Map(), pairs: meshOf(nodes), measure: ping(random, () => 0, 20, rtt) }
  },
})

const noisy = (name: string, nodes: number, noise: number): Scenario => ({
  name,
  nodes,
  create: (random) => ({
    faults: [],
    racks: new Map(),
    pairs: meshOf(nodes),
    measure: iperf(random, () => 1, noise, 0),
  }),
})

export const SCENARIOS: readonly Scenario[] = [
  slow('3 of 32 slow one way, mesh', 32, 3, () => meshOf(32)),
  slow('5 of 64 slow one way, 7 shifts', 64, 5, shifts(64, 7)),
  slow('12 of 24 slow one way, mesh', 24, 12, () => meshOf(24)),
  slow('1 of 4 slow one way, mesh', 4, 1, () => meshOf(4)),
  slow('1 of 16 slow one way, ring', 16, 1, () => shiftPairs(16, [1])),
  slow('1 of 16 slow one way, 2 shifts', 16, 1, shifts(16, 2)),
  lossy('3 of 32 lose 5 %, 20 probes', 32, 3, 0.05, 20),
  lossy('2 of 16 lose 10 %, 10 probes', 16, 2, 0.1, 10),
  lossy('2 of 32 lose 2 %, 100 probes', 32, 2, 0.02, 100),
  dead('2 of 16 dead', 16, 2),
  dead('8 of 16 dead', 16, 8),
  uplink('1 of 4 uplinks slow', 32, 0),
  uplink('1 of 4 uplinks and 2 nodes slow', 32, 2),
  badRack('all 8 nodes of 1 of 4 racks slow', 32),
  links('2 slow links of 16 nodes', 16, 2, 0.02),
  links('2 slow links, 10 % collisions', 16, 2, 0.1),
  links('no fault, 10 % collisions', 24, 0, 0.1),
  mixedSpeeds('no fault, two reported speeds', 24, 12, true),
  mixedSpeeds('12 of 24 slow, same speed', 24, 12, false),
  mixedSpeeds('3 of 8 slow, same speed', 8, 3, false),
  slowBetweenTwoRacks('two racks slow one way', 8, false),
  slowBetweenTwoRacks('two racks slow both ways', 8, true),
  oversubscribed('no fault, racks oversubscribed', 32, 1, 0),
  oversubscribed('2 slow, racks oversubscribed', 32, 0.25, 2),
  twoRacks('no fault, two racks oversubscribed', 16, 1, 0),
  twoRacks('2 slow, two racks oversubscribed', 16, 0.25, 2),
  spreadSpeeds('no fault, speeds of 25 to 100 %', 24),
  slowReceivers('10 of 24 receive slowly', 24, 10),
  late('2 of 16 answer late', 16, 2),
  noisy('no fault, noise 15 %', 24, 0.15),
  noisy('no fault, noise 30 %', 24, 0.3),
]
