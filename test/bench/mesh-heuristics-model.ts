/** A ping mesh of 12 nodes with known faults, in simulated time, for mesh-heuristics.bench.ts. */

import type { MeshWindow } from '#proto/meshgauge/agent/v1/ping.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { FaultDirection, Verdict } from '../../collector/diagnosis/verdict.ts'
import { createEchoCounts } from '../../collector/mesh/state/echo-counts.ts'
import { createIngest } from '../../collector/mesh/state/ingest.ts'
import type { InterfaceChange } from '../../collector/mesh/state/interface-state.ts'
import { createLossRecord } from '../../collector/mesh/state/loss-record.ts'
import { clearWithInterface } from '../../collector/mesh/state/path-state.ts'
import { createPathStates, createPaths, type MeshPath } from '../../collector/mesh/state/paths.ts'
import type { Random } from '../../collector/topology/random.ts'
import { MIN_INDEX } from '../../lib/histogram.ts'
import { toDuration, toTimestamp } from '../../lib/protobuf-time.ts'

const NODES = 12
const RACK_SIZE = 4
const INTERFACES = ['net0', 'net1']
/** Loss of a healthy path. */
const BACKGROUND_LOSS = 1e-5
const START_MS = 1_800_000_000_000

const nameOf = (node: number): string => `node-${node + 1}`
const rackOf = (node: number): string => `r${Math.floor(node / RACK_SIZE)}`
export const RACKS = new Map(Array.from({ length: NODES }, (_, node) => [nameOf(node), rackOf(node)]))

/** Where packets are lost: on their way out of a node, into a node, or between two nodes. */
export type Fault = {
  culprit: Pick<Verdict, 'kind' | 'node' | 'interface' | 'rack'>
  /** The direction that echo requests of peers are lost in; undefined when both are. */
  direction: FaultDirection | undefined
  seconds: number
  /** After the fault, the interfaces of one name come back within this time; 3 s when absent. */
  recoverySeconds?: number
  /** The ratio of lost packets from one node to another. */
  loss(source: number, destination: number, name: string): number
}

const NODE = 'node'
const INTERFACE = 'interface'
const RACK = 'rack_uplink'
const TX = 'tx'
const RX = 'rx'

/** An interface, or a whole node without `name`, that loses a ratio of its packets. */
const lossyEnd = (
  node: number,
  name: string | undefined,
  ratio: number,
  direction: FaultDirection | undefined,
  seconds: number,
): Fault => ({
  culprit: { kind: name ? INTERFACE : NODE, node: nameOf(node), interface: name ?? '', rack: '' },
  direction,
  seconds,
  loss: (source, destination, on) => {
    if (name !== undefined && on !== name) return 0
    const isHit = (direction !== RX && source === node) || (direction !== TX && destination === node)
    return isHit ? ratio : 0
  },
})

const cutRack = (rack: string, name: string): Fault => ({
  culprit: { kind: RACK, node: '', interface: name, rack },
  direction: undefined,
  seconds: 20,
  loss: (source, destination, on) =>
    on === name && (rackOf(source) === rack) !== (rackOf(destination) === rack) ? 1 : 0,
})

export const FAULTS: Record<string, (random: Random) => Fault | undefined> = {
  'an interface is cut for 20 s': (random) => lossyEnd(pick(random), railOf(random), 1, undefined, 20),
  'a node is cut off for 20 s': (random) => lossyEnd(pick(random), undefined, 1, undefined, 20),
  'a node restarts, its interfaces in up to 10 s': (random) => ({
    ...lossyEnd(pick(random), undefined, 1, undefined, 20),
    recoverySeconds: 10,
  }),
  'a rack is cut off on one network': (random) => cutRack(rackOf(pick(random)), railOf(random)),
  'an interface loses 10 % one way': (random) =>
    lossyEnd(pick(random), railOf(random), 0.1, random() < 0.5 ? TX : RX, 90),
  'an interface loses 1 % one way': (random) =>
    lossyEnd(pick(random), railOf(random), 0.01, random() < 0.5 ? TX : RX, 180),
  'an interface loses 1 % both ways': (random) =>
    lossyEnd(pick(random), railOf(random), 0.01, undefined, 180),
  'no fault': () => undefined,
}

const pick = (random: Random): number => Math.floor(random() * NODES)
const railOf = (random: Random): string => INTERFACES[Math.floor(random() * INTERFACES.length)]!

/** Time before the fault, so that counts of a healthy mesh exist; and after it, so that its end is observed. */
const BEFORE_SECONDS = 80
const AFTER_SECONDS = 60
const INTERFACE_RECOVERY_SECONDS = 3
/** The paths of an interface recover within this time after it. */
const PATH_RECOVERY_SECONDS = 2

/** Adds every path of every interface, with its time of recovery after the fault. */
const addFullMesh = (
  paths: ReturnType<typeof createPaths>,
  bySource: { path: MeshPath; to: number }[][],
  recovery: Map<number, number>,
  fault: Fault | undefined,
  random: Random,
): void => {
  const settings = { mesh: 'mesh', staleAfterMs: 30_000, intervalSeconds: 1, echoesPerSecond: 1 }
  let id = 0
  for (const name of INTERFACES) {
    const interfaceRecovery = (fault?.recoverySeconds ?? INTERFACE_RECOVERY_SECONDS) * random()
    for (let from = 0; from < NODES; from++) {
      for (let to = 0; to < NODES; to++) {
        if (from === to) continue
        const key = { source: nameOf(from), destination: nameOf(to), interface: name }
        paths.add(id, { key, from: '', address: '' }, settings)
        bySource[from]!.push({ path: paths.get(id)!, to })
        recovery.set(id, interfaceRecovery + PATH_RECOVERY_SECONDS * random())
        id++
      }
    }
  }
}

export const createMeshModel = (fault: Fault | undefined, random: Random) => {
  let second = 0
  const nowMs = () => START_MS + second * 1000
  const clock = {
    now: () => new Date(nowMs()),
    monotonicSeconds: () => second,
    sleep: async () => undefined,
    yield: async () => undefined,
  }
  const paths = createPaths({ random, initialState: () => undefined })
  const runLoad = { overlaps: () => false }
  const agents = {
    delivers: () => true,
    interfaceProblem: () => '',
    pathProblems: () => new Map<number, string>(),
  }
  let hasWorsened = false
  const ingest = createIngest({
    losses: createLossRecord(),
    paths,
    isKnown: () => false,
    runLoad,
    onChange: (_path, { state }) => {
      if (state !== PathState.PATH_STATE_UP) hasWorsened = true
    },
    onMeasured: () => undefined,
  })
  const echoes = createEchoCounts()
  const received = new Float64Array(NODES)
  const trailing = new Map<number, number>()
  const recovery = new Map<number, number>()
  const bySource = Array.from({ length: NODES }, () => [] as { path: MeshPath; to: number }[])
  addFullMesh(paths, bySource, recovery, fault, random)

  const lossOf = (path: MeshPath, from: number, to: number): number => {
    const endSecond = BEFORE_SECONDS + (fault?.seconds ?? 0)
    const isActive = second > BEFORE_SECONDS && second <= endSecond + (recovery.get(path.id) ?? 0)
    return Math.max(BACKGROUND_LOSS, isActive ? fault!.loss(from, to, path.source.interface) : 0)
  }
  /** One probe of a path: the request on its way there, the answer on its way back. */
  const probe = (path: MeshPath, from: number, to: number): MeshWindow => {
    const arrives = random() >= (fault ? lossOf(path, from, to) : BACKGROUND_LOSS)
    if (arrives) received[to]!++
    const isAnswered = arrives && random() >= (fault ? lossOf(path, to, from) : BACKGROUND_LOSS)
    const trailingLostCount = isAnswered ? 0 : (trailing.get(path.id) ?? 0) + 1
    trailing.set(path.id, trailingLostCount)
    const rtt = isAnswered ? toDuration(0.0001) : undefined
    return {
      targetId: path.id,
      sentCount: 1,
      receivedCount: isAnswered ? 1 : 0,
      trailingLostCount,
      rttMin: rtt,
      rttMax: rtt,
      rttSum: rtt,
      jitter: undefined,
      histogramOffset: MIN_INDEX,
      histogramCounts: isAnswered ? [1] : [],
      reason: '',
    }
  }

  return {
    paths,
    ingest,
    echoes,
    agents,
    nowMs,
    pathStates: createPathStates({ clock, paths, agents, runLoad }),
    get second() {
      return second
    },
    isOver: () => second >= BEFORE_SECONDS + (fault?.seconds ?? 120) + AFTER_SECONDS,
    /** Ends LOSSY on the paths of interfaces that have recovered, as judge/evaluator.ts does. */
    clearRecovered: (changes: readonly InterfaceChange[]): void => {
      for (const { state, lossy } of changes) {
        if (state !== PathState.PATH_STATE_UP) continue
        for (const { source, destination, health } of paths.all()) {
          const isOn = [source.node, destination.node].includes(lossy.node)
          if (source.interface === lossy.interface && isOn)
            clearWithInterface(health, (lossy.lossSecond + 1) * 1000, nowMs())
        }
      }
    },
    /** Probes every path once. Returns whether any path has become worse. */
    step: (): boolean => {
      hasWorsened = false
      const startTime = toTimestamp(new Date(nowMs()))
      second++
      const endTime = toTimestamp(new Date(nowMs()))
      for (const [from, targets] of bySource.entries()) {
        const windows = targets.map(({ path, to }) => probe(path, from, to))
        ingest.batch(nameOf(from), { windows: [{ startTime, endTime, windows }] } as never, 0)
      }
      for (const [node, count] of received.entries()) echoes.add(nameOf(node), nowMs(), count)
      return hasWorsened
    },
  }
}
