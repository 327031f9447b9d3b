import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import {
  type EchoBalance,
  type EchoEvidence,
  isConclusive,
  MUCH_LOSS,
  withDirection,
} from '../../diagnosis/echo-balance.ts'
import type { Verdict } from '../../diagnosis/verdict.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { EchoCounts } from '../state/echo-counts.ts'
import type { InterfaceWindow } from '../state/interface-window.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { MeshPath } from '../state/paths.ts'

/** A verdict follows its fault within some seconds. Probes are counted from this time before the verdict. */
const BEFORE_MS = 15_000
/** A probe is known to be lost after its timeout (0.5 s by default) and the reporting delay (0.1 s). */
const LOST_AFTER_MS = 750
/**
 * Agents report each lost probe at once for a minute, afterwards only with their windows. So counts are used until
 * PROMPT_MS after the verdict, and again from STEADY_MS on, over a longer span that evens out the reporting delay.
 */
const PROMPT_MS = 45_000
const STEADY_MS = 75_000
/** Interfaces keep one minute of counts. */
const MAX_SPAN_MS = 58_000
/** The delay, in seconds, with which lost probes are reported in each case. */
const REPORT_DELAY_SECONDS = { prompt: 1, steady: 5 }
/** Other programs' pings to a node are measured over this time before the fault, and over at least the second. */
const HEALTHY_MS = 60_000
const MIN_HEALTHY_MS = 10_000

type Deps = {
  paths: () => Iterable<MeshPath>
  interfaces: () => ReadonlyMap<string, InterfaceWindow>
  echoes: Pick<EchoCounts, 'between'>
  delivers: (node: string) => boolean
  /** Returns why a node cannot probe from an interface; empty when it can. */
  interfaceProblem: (node: string, name: string) => string
}

/** The echo requests that the mesh sends to one node. */
type EchoRate = {
  pathCount: number
  perSecond: number
  /** Requests of sources that do not report, and may or may not probe. */
  uncertainPerSecond: number
  /** False when any path uses other probes than ICMP, which the kernel's counter does not contain. */
  isCounted: boolean
}

/** The time over which probes are counted. */
type Span = { fromMs: number; toMs: number; delaySeconds: number }

/** A verdict without a direction. `name` is empty for a whole node. */
type Accused = { node: string; name: string; sinceMs: number }

/** The state of the fleet in one evaluation, by node. */
type Snapshot = {
  bySource: ReadonlyMap<string, readonly MeshPath[]>
  byDestination: ReadonlyMap<string, readonly MeshPath[]>
  interfaces: ReadonlyMap<string, readonly InterfaceWindow[]>
  rates: ReadonlyMap<string, EchoRate>
}

/**
 * Returns by how many a count may differ from rate times time. Each path contributes up to one probe more or less,
 * independently: the square root is two and a half standard deviations of the sum.
 */
const uncertaintyOf = (pathCount: number): number => 1 + Math.sqrt(pathCount)

const ratesOf = (
  paths: readonly MeshPath[],
  delivers: Deps['delivers'],
  nowMs: number,
): Map<string, EchoRate> => {
  const rates = new Map<string, EchoRate>()
  for (const { source, destination, health, staleAfterMs, echoesPerSecond } of paths) {
    const { node } = destination
    const rate = rates.get(node) ?? { pathCount: 0, perSecond: 0, uncertainPerSecond: 0, isCounted: true }
    rates.set(node, rate)
    if (echoesPerSecond === 0) rate.isCounted = false
    const isReported = health.lastEndMs === 0 || nowMs - health.lastEndMs < staleAfterMs / 2
    if (delivers(source.node) && isReported) {
      rate.pathCount++
      rate.perSecond += echoesPerSecond
    } else rate.uncertainPerSecond += echoesPerSecond
  }
  return rates
}

const snapshotOf = ({ paths, interfaces, delivers }: Deps, nowMs: number): Snapshot => {
  const probed = [...paths()].filter(({ releasedMs }) => releasedMs === undefined)
  return {
    bySource: Map.groupBy(probed, ({ source }) => source.node),
    byDestination: Map.groupBy(probed, ({ destination }) => destination.node),
    interfaces: Map.groupBy(interfaces().values(), ({ node }) => node),
    rates: ratesOf(probed, delivers, nowMs),
  }
}

/** Returns the span for a verdict of this age; undefined in the time between the two ways of reporting. */
const spanOf = (sinceMs: number, nowMs: number): Span | undefined => {
  if (nowMs - sinceMs < PROMPT_MS) {
    return { fromMs: sinceMs - BEFORE_MS, toMs: nowMs, delaySeconds: REPORT_DELAY_SECONDS.prompt }
  }
  if (nowMs - sinceMs < STEADY_MS) return undefined
  return { fromMs: nowMs - MAX_SPAN_MS, toMs: nowMs, delaySeconds: REPORT_DELAY_SECONDS.steady }
}

const isOn =
  (name: string) =>
  (window: InterfaceWindow): boolean =>
    name === '' || window.interface === name

const lostOf = (
  windows: readonly InterfaceWindow[],
  direction: 'tx' | 'rx',
  fromMs: number,
  toMs: number,
): number => {
  const from = Math.floor((fromMs + LOST_AFTER_MS) / 1000)
  const to = Math.floor((toMs + LOST_AFTER_MS) / 1000)
  return windows.reduce((sum, window) => sum + window.sum(direction, to, to - from).lostCount, 0)
}

/** Returns the current loss over the paths of an interface: mean ratio, and lost probes per second. */
const currentLoss = (paths: readonly MeshPath[] = [], name: string) => {
  let [count, ratioSum, perSecond] = [0, 0, 0]
  for (const { source, health, echoesPerSecond } of paths) {
    if (name !== '' && source.interface !== name) continue
    const { sentCount, lostCount } = evidenceOf(health)
    const isDown = health.state === PathState.PATH_STATE_DOWN
    const ratio = isDown ? 1 : lostCount / Math.max(1, sentCount)
    count++
    ratioSum += ratio
    perSecond += ratio * echoesPerSecond
  }
  return { ratio: ratioSum / Math.max(1, count), perSecond }
}

/** Compares probes sent, probes lost, and echo requests that the kernels received, for one evaluation. */
class EchoBalances {
  readonly #echoes: Deps['echoes']
  readonly #snapshot: Snapshot

  constructor(echoes: Deps['echoes'], snapshot: Snapshot) {
    this.#echoes = echoes
    this.#snapshot = snapshot
  }

  /** Returns the evidence about an accused node or interface; undefined when the counts are not conclusive. */
  evidenceOf(accused: Accused, span: Span): EchoEvidence | undefined {
    const to = this.#balanceTo(accused, span)
    if (!to) return undefined
    const { ratio } = currentLoss(this.#snapshot.byDestination.get(accused.node), accused.name)
    return { to, from: this.#balanceFrom(accused, span), lossRatio: ratio }
  }

  /** The probes that the peers sent to the accused. */
  #balanceTo(accused: Accused, span: Span): EchoBalance | undefined {
    const { node, name, sinceMs } = accused
    const arrived = this.#arrivedAt(node, span, sinceMs)
    if (!arrived) return undefined
    const windows = this.#snapshot.interfaces.get(node) ?? []
    const lostCount = lostOf(windows, 'rx', arrived.fromMs, arrived.toMs)
    const lostOnAccused = lostOf(windows.filter(isOn(name)), 'rx', arrived.fromMs, arrived.toMs)
    const { perSecond } = currentLoss(this.#snapshot.byDestination.get(node), name)
    return {
      sentCount: Math.round(arrived.sentCount),
      lostCount,
      receivedCount: Math.round(arrived.receivedCount),
      uncertainCount:
        uncertaintyOf(arrived.pathCount) +
        span.delaySeconds * perSecond +
        arrived.uncertainCount +
        // The kernel's counter does not distinguish interfaces, and other interfaces may have other faults.
        (lostCount - lostOnAccused),
    }
  }

  /** The probes that the accused sent to its peers, as their kernels counted them. */
  #balanceFrom({ node, name, sinceMs }: Accused, span: Span): EchoBalance | undefined {
    const paths = this.#snapshot.bySource.get(node) ?? []
    const peers = new Set(
      paths
        .filter(({ source }) => name === '' || source.interface === name)
        .map(({ destination }) => destination.node),
    )
    let [pathCount, sentCount, receivedCount, uncertainCount, fromMs, toMs] = [0, 0, 0, 0, 0, 0]
    for (const peer of peers) {
      const arrived = this.#arrivedAt(peer, span, sinceMs)
      if (!arrived) return undefined
      pathCount += arrived.pathCount
      sentCount += arrived.sentCount
      receivedCount += arrived.receivedCount
      uncertainCount += arrived.uncertainCount
      // The peers' samples are of slightly different times; the mean of them is used for the lost probes.
      fromMs += arrived.fromMs / peers.size
      toMs += arrived.toMs / peers.size
    }
    const windows = (this.#snapshot.interfaces.get(node) ?? []).filter(isOn(name))
    return {
      sentCount: Math.round(sentCount),
      lostCount: lostOf(windows, 'tx', fromMs, toMs),
      receivedCount: Math.round(receivedCount),
      uncertainCount:
        uncertaintyOf(pathCount) + span.delaySeconds * currentLoss(paths, name).perSecond + uncertainCount,
    }
  }

  #arrivedAt(node: string, span: Span, sinceMs: number) {
    const rate = this.#snapshot.rates.get(node)
    const counted = rate?.isCounted ? this.#echoes.between(node, span.fromMs, span.toMs) : undefined
    if (!rate || !counted) return undefined
    const seconds = (counted.toMs - counted.fromMs) / 1000
    return {
      fromMs: counted.fromMs,
      toMs: counted.toMs,
      pathCount: rate.pathCount,
      sentCount: rate.perSecond * seconds,
      receivedCount: counted.count - this.#othersPerSecond(node, rate, sinceMs) * seconds,
      uncertainCount: rate.uncertainPerSecond * seconds,
    }
  }

  /** Returns the echo requests per second that other programs sent to a node before the fault. */
  #othersPerSecond(node: string, { pathCount, perSecond }: EchoRate, sinceMs: number): number {
    const healthyMs = sinceMs - BEFORE_MS
    const counted = this.#echoes.between(node, healthyMs - HEALTHY_MS, healthyMs)
    if (!counted || counted.toMs - counted.fromMs < MIN_HEALTHY_MS) return 0
    const seconds = (counted.toMs - counted.fromMs) / 1000
    const others = counted.count - perSecond * seconds
    return others > uncertaintyOf(pathCount) ? others / seconds : 0
  }
}

/**
 * Adds directions to verdicts on nodes and interfaces. A lost probe is a lost request or a lost answer; the kernels'
 * counters of received echo requests show which (see diagnosis/echo-balance.ts).
 */
export const createDirections = (deps: Deps) => {
  const { echoes, delivers, interfaceProblem } = deps
  /** By node and interface, when it was first accused and the latest conclusive evidence. */
  const known = new Map<string, { sinceMs: number; evidence: EchoEvidence | undefined }>()

  /** When the node does not deliver, or reports a problem of the interface, both directions are known to fail. */
  const lacksDirection = ({ kind, direction, node, interface: name }: Verdict): boolean =>
    (kind === 'node' || kind === 'interface') &&
    direction === 'both' &&
    delivers(node) &&
    interfaceProblem(node, name) === ''

  return {
    /** Returns the verdicts with their directions where known. A direction stays until other evidence replaces it. */
    addTo: (verdicts: readonly Verdict[], nowMs: number): Verdict[] => {
      const keys = new Set(verdicts.filter(lacksDirection).map(interfaceKey))
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
      if (keys.size === 0) return [...verdicts]
      const balances = new EchoBalances(echoes, snapshotOf(deps, nowMs))
      return verdicts.map((verdict) => {
        if (!lacksDirection(verdict)) return verdict
        const key = interfaceKey(verdict)
        const accused = known.get(key) ?? { sinceMs: nowMs, evidence: undefined }
        known.set(key, accused)
        const { sinceMs } = accused
        // With much loss only the beginning of a fault is conclusive: later counts mislead (see MUCH_LOSS).
        const isFinal = accused.evidence !== undefined && accused.evidence.lossRatio >= MUCH_LOSS
        const span = isFinal ? undefined : spanOf(sinceMs, nowMs)
        const evidence =
          span && balances.evidenceOf({ node: verdict.node, name: verdict.interface, sinceMs }, span)
        if (evidence && isConclusive(evidence)) accused.evidence = evidence
        return withDirection(verdict, accused.evidence)
      })
    },
  }
}
