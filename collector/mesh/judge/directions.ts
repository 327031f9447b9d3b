import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { CulpritKind, FaultDirection, type Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import {
  type EchoBalance,
  type EchoEvidence,
  isConclusive,
  MUCH_LOSS,
  withDirection,
} from '../../diagnosis/echo-balance.ts'
import type { EchoCounts } from '../state/echo-counts.ts'
import type { InterfaceWindow } from '../state/interface-window.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { MeshPath } from '../state/paths.ts'

/** A verdict comes some seconds after the fault; from so long before it on, probes are counted. */
const BEFORE_MS = 15_000
/** A lost probe is known after its timeout (0.5 s by default) and a tenth of a second. */
const LOST_AFTER_MS = 750
/** Agents tell of each lost probe for a minute, afterwards with their windows: then a longer time evens it out. */
const PROMPT_MS = 45_000
const STEADY_MS = 75_000
/** Of interfaces a minute is kept. */
const LONGEST_MS = 58_000
/** How late, in seconds, lost probes may be told of in either time. */
const LATE_SECONDS = { prompt: 1, steady: 5 }
/** What else pings a node is looked for in so long before the fault, and in no less. */
const HEALTHY_MS = 60_000
const LEAST_HEALTHY_MS = 10_000

/** Probes that a node is sent. */
type Flow = { pathCount: number; perSecond: number; unsurePerSecond: number; isCounted: boolean }

type Deps = {
  paths: () => Iterable<MeshPath>
  ends: () => ReadonlyMap<string, InterfaceWindow>
  echoes: Pick<EchoCounts, 'between'>
  delivers: (node: string) => boolean
  /** Why a node does not probe from an interface; empty when it does. */
  troubleOf: (node: string, name: string) => string
}

type Index = Record<'source' | 'destination', Map<string, MeshPath[]>> & {
  ends: Map<string, InterfaceWindow[]>
}

type Span = { fromMs: number; toMs: number; lateSeconds: number }

/**
 * How far a count may be off from rate times time: of each path one probe more or less falls into it, and paths are
 * independent of each other: the square root is two and a half standard deviations.
 */
const uncertaintyOf = (pathCount: number): number => 1 + Math.sqrt(pathCount)

/** Tells of verdicts on nodes and interfaces, where it can be told, whether requests or answers get lost. */
export const createDirections = ({ paths, ends, echoes, delivers, troubleOf }: Deps) => {
  /** By node and interface: since when it is blamed, and what was found. */
  const known = new Map<string, { sinceMs: number; found: EchoEvidence | undefined }>()

  /** What is probed now, by its ends: with many verdicts nobody goes through all paths for each. */
  const indexOf = (): Index => {
    const index: Index = { source: new Map(), destination: new Map(), ends: new Map() }
    const add = <T>(lists: Map<string, T[]>, node: string, item: T) => {
      const list = lists.get(node)
      if (list) list.push(item)
      else lists.set(node, [item])
    }
    for (const path of paths()) {
      if (path.releasedMs !== undefined) continue
      add(index.source, path.source.node, path)
      add(index.destination, path.destination.node, path)
    }
    for (const end of ends().values()) add(index.ends, end.node, end)
    return index
  }
  const flowsAt = (nowMs: number): Map<string, Flow> => {
    const flows = new Map<string, Flow>()
    for (const { source, destination, health, releasedMs, patienceMs, echoesPerSecond } of paths()) {
      if (releasedMs !== undefined) continue
      const { node } = destination
      const flow = flows.get(node) ?? { pathCount: 0, perSecond: 0, unsurePerSecond: 0, isCounted: true }
      flows.set(node, flow)
      if (echoesPerSecond === 0) flow.isCounted = false
      // Who does not say what it measures may probe or not.
      const isHeard = health.lastEndMs === 0 || nowMs - health.lastEndMs < patienceMs / 2
      if (!delivers(source.node) || !isHeard) flow.unsurePerSecond += echoesPerSecond
      else {
        flow.pathCount++
        flow.perSecond += echoesPerSecond
      }
    }
    return flows
  }
  /** Echo requests a second that are none of ours, by what came while all was well. */
  const backgroundOf = (node: string, { pathCount, perSecond }: Flow, sinceMs: number): number => {
    const healthyMs = sinceMs - BEFORE_MS
    const seen = echoes.between(node, healthyMs - HEALTHY_MS, healthyMs)
    if (!seen || seen.toMs - seen.fromMs < LEAST_HEALTHY_MS) return 0
    const seconds = (seen.toMs - seen.fromMs) / 1000
    const others = seen.count - perSecond * seconds
    return others > uncertaintyOf(pathCount) ? others / seconds : 0
  }
  const arrivedAt = (node: string, flow: Flow | undefined, span: Span, sinceMs: number) => {
    const seen = flow?.isCounted ? echoes.between(node, span.fromMs, span.toMs) : undefined
    if (!flow || !seen) return undefined
    const seconds = (seen.toMs - seen.fromMs) / 1000
    return {
      fromMs: seen.fromMs,
      toMs: seen.toMs,
      sentCount: flow.perSecond * seconds,
      receivedCount: seen.count - backgroundOf(node, flow, sinceMs) * seconds,
      unsureCount: flow.unsurePerSecond * seconds,
    }
  }
  const lostOf = (
    all: readonly InterfaceWindow[],
    way: 'tx' | 'rx',
    fromMs: number,
    toMs: number,
  ): number => {
    const [from, to] = [fromMs, toMs].map((ms) => Math.floor((ms + LOST_AFTER_MS) / 1000)) as [number, number]
    return all.reduce((sum, end) => sum + end.sum(way, to, to - from).lostCount, 0)
  }
  /** Loss on the paths one way of a node's interface (all when empty) now: its share, and probes lost a second. */
  const lossNow = (index: Index, node: string, name: string, way: 'source' | 'destination') => {
    let [count, lost, perSecond] = [0, 0, 0]
    for (const path of index[way].get(node) ?? []) {
      if (name !== '' && path.source.interface !== name) continue
      const { sentCount, lostCount } = evidenceOf(path.health)
      const isDown = path.health.state === PathState.PATH_STATE_DOWN
      const share = isDown ? 1 : lostCount / Math.max(1, sentCount)
      count++
      lost += share
      perSecond += share * path.echoesPerSecond
    }
    return { ratio: lost / Math.max(1, count), perSecond }
  }
  const toIt = (
    index: Index,
    [node, name]: readonly [string, string],
    flow: Flow | undefined,
    span: Span,
    sinceMs: number,
  ): EchoBalance | undefined => {
    const seen = arrivedAt(node, flow, span, sinceMs)
    if (!flow || !seen) return undefined
    const all = index.ends.get(node) ?? []
    const lostCount = lostOf(all, 'rx', seen.fromMs, seen.toMs)
    const own = all.filter((end) => name === '' || end.interface === name)
    const late = span.lateSeconds * lossNow(index, node, name, 'destination').perSecond
    // What another interface of the node loses is another matter, and the kernel does not tell them apart.
    const elsewhere = lostCount - lostOf(own, 'rx', seen.fromMs, seen.toMs)
    const uncertainCount = uncertaintyOf(flow.pathCount) + late + seen.unsureCount + elsewhere
    return {
      sentCount: Math.round(seen.sentCount),
      lostCount,
      receivedCount: Math.round(seen.receivedCount),
      uncertainCount,
    }
  }
  const fromIt = (
    index: Index,
    [node, name]: readonly [string, string],
    flows: ReadonlyMap<string, Flow>,
    span: Span,
    sinceMs: number,
  ): EchoBalance | undefined => {
    const peers = new Set<string>()
    for (const { source, destination } of index.source.get(node) ?? []) {
      if (name === '' || source.interface === name) peers.add(destination.node)
    }
    let [pathCount, sentCount, receivedCount, unsureCount, fromMs, toMs] = [0, 0, 0, 0, 0, 0]
    for (const peer of peers) {
      const flow = flows.get(peer)
      const seen = arrivedAt(peer, flow, span, sinceMs)
      if (!flow || !seen) return undefined
      pathCount += flow.pathCount
      sentCount += seen.sentCount
      receivedCount += seen.receivedCount
      unsureCount += seen.unsureCount
      fromMs += seen.fromMs / peers.size
      toMs += seen.toMs / peers.size
    }
    const own = (index.ends.get(node) ?? []).filter((end) => name === '' || end.interface === name)
    const late = span.lateSeconds * lossNow(index, node, name, 'source').perSecond
    return {
      sentCount: Math.round(sentCount),
      // Peers' samples are of different times, and so are the probes that each of them would have received.
      lostCount: lostOf(own, 'tx', fromMs, toMs),
      receivedCount: Math.round(receivedCount),
      uncertainCount: uncertaintyOf(pathCount) + late + unsureCount,
    }
  }
  const spanOf = (sinceMs: number, nowMs: number): Span | undefined => {
    if (nowMs - sinceMs < PROMPT_MS) {
      return { fromMs: sinceMs - BEFORE_MS, toMs: nowMs, lateSeconds: LATE_SECONDS.prompt }
    }
    if (nowMs - sinceMs < STEADY_MS) return undefined
    return { fromMs: nowMs - LONGEST_MS, toMs: nowMs, lateSeconds: LATE_SECONDS.steady }
  }

  return {
    /** The same verdicts, with directions where they are known. Once known one stays, until something else is. */
    name: (verdicts: readonly Verdict[], nowMs: number): Verdict[] => {
      const isOpen = ({ kind, direction, node, interface: name }: Verdict) =>
        (kind === CulpritKind.CULPRIT_KIND_NODE || kind === CulpritKind.CULPRIT_KIND_INTERFACE) &&
        direction === FaultDirection.FAULT_DIRECTION_BOTH &&
        // Of one that says itself that it is down, or says nothing, both ways are known to be bad.
        delivers(node) &&
        troubleOf(node, name) === ''
      const keyOf = (verdict: Verdict) => `${verdict.node} ${verdict.interface}`
      const keys = new Set(verdicts.filter(isOpen).map(keyOf))
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
      if (keys.size === 0) return [...verdicts]
      const flows = flowsAt(nowMs)
      const index = indexOf()
      return verdicts.map((verdict) => {
        if (!isOpen(verdict)) return verdict
        const { node, interface: name } = verdict
        const blamed = known.get(keyOf(verdict)) ?? { sinceMs: nowMs, found: undefined }
        known.set(keyOf(verdict), blamed)
        // Where much is lost the beginning of a fault says most of it, and later counts mislead.
        const isLasting = blamed.found !== undefined && blamed.found.lossRatio >= MUCH_LOSS
        const span = isLasting ? undefined : spanOf(blamed.sinceMs, nowMs)
        const to = span && toIt(index, [node, name], flows.get(node), span, blamed.sinceMs)
        if (span && to) {
          const from = fromIt(index, [node, name], flows, span, blamed.sinceMs)
          const evidence = { to, from, lossRatio: lossNow(index, node, name, 'destination').ratio }
          if (isConclusive(evidence)) blamed.found = evidence
        }
        return withDirection(verdict, blamed.found)
      })
    },
  }
}
