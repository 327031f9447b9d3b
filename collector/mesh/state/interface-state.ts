import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { interfaceKey } from '../../inventory/keys.ts'
import type { InterfaceWindow } from './interface-window.ts'
import { SILENT_LOSSES } from './path-state.ts'
import { findLossyInterfaces, type LossyCounts, type LostProbe } from './pooled-loss.ts'

/** High loss shows within the shorter time, low loss within the longer one. */
const HORIZONS_SECONDS = [12, 60]
const MAX_HORIZON_SECONDS = 60
/** LOSSY ends after this time without a positive evaluation. Doubles each time it recurs, up to the maximum. */
const HOLD_SECONDS = 60
const MAX_HOLD_SECONDS = 600
/** LOSSY also ends after a time without loss that its loss rate makes unlikely (SILENT_LOSSES), at least this. */
const MIN_QUIET_SECONDS = 10

/** An interface that loses probes, measured over all its paths together. Seconds are mesh time. */
export type LossyInterface = {
  node: string
  interface: string
  /** When it was last found lossy. */
  seenSecond: number
  /** When it last lost a probe; 0 when that was before this collector started. */
  lossSecond: number
  sentCount: number
  lostCount: number
  peerCount: number
  /** The time that the counts are of. */
  seconds: number
  /** The hold time that ends it. */
  holdSeconds: number
}

/** An interface has become LOSSY, or UP again. */
export type InterfaceChange = { lossy: LossyInterface; before: PathState; state: PathState; second: number }

/** Returns the reason text of an event: what was lost. */
export const reasonOf = ({ lostCount, sentCount, peerCount }: LossyCounts): string =>
  `${lostCount} of ${sentCount} probes to and from it were lost, with ${peerCount} peers`

/** Returns the second of the last lost probe, by a key of each of its two ends. */
const lastLossBy = (
  lost: readonly LostProbe[],
  keyOf: (node: string, probe: LostProbe) => string,
): Map<string, number> => {
  const last = new Map<string, number>()
  for (const probe of lost) {
    for (const node of [probe.source, probe.destination]) {
      const key = keyOf(node, probe)
      if (probe.second > (last.get(key) ?? Number.NEGATIVE_INFINITY)) last.set(key, probe.second)
    }
  }
  return last
}

/** Returns the confirmed lost probes of the last `seconds` before `second`. */
type LostSince = (second: number, seconds: number) => readonly LostProbe[]

type Found = LossyCounts & Pick<LossyInterface, 'interface' | 'seconds' | 'lossSecond'>

/** Finds the lossy interfaces of one fabric, over the last `seconds`. */
const findInFabric = (
  name: string,
  fabric: readonly InterfaceWindow[],
  lost: readonly LostProbe[],
  second: number,
  seconds: number,
): Found[] => {
  const ofFabric = lost.filter((probe) => probe.interface === name)
  if (ofFabric.length === 0) return []
  const counts = fabric.map((window) => {
    const [tx, rx] = [window.sum('tx', second, seconds), window.sum('rx', second, seconds)]
    const lostCount = tx.confirmedCount + rx.confirmedCount
    return { node: window.node, sentCount: tx.sentCount + rx.sentCount, lostCount }
  })
  const lossSeconds = lastLossBy(ofFabric, (node) => node)
  const lostBy = new Map(counts.map(({ node, lostCount }) => [node, lostCount]))
  return findLossyInterfaces(counts, ofFabric).map((found) => ({
    ...found,
    interface: name,
    seconds,
    // The test limits what one path can contribute; the reported count is the full one.
    lostCount: lostBy.get(found.node) ?? found.lostCount,
    lossSecond: lossSeconds.get(found.node)!,
  }))
}

/** The states of all interfaces: LOSSY ones are kept, all others are UP. */
class InterfaceStates {
  readonly #lossy = new Map<string, LossyInterface>()
  /** By interface, its last hold time and when it last became LOSSY. */
  readonly #holds = new Map<string, { holdSeconds: number; second: number }>()
  /** By interface, the second of its last recovery. Earlier losses do not make it LOSSY again. */
  readonly #recovered = new Map<string, number>()

  /** Adds an interface that was LOSSY when this collector started. */
  restore(node: string, name: string, nowSecond: number): void {
    const counts = { sentCount: 0, lostCount: 0, peerCount: 0, seconds: 0, holdSeconds: HOLD_SECONDS }
    const times = { seenSecond: nowSecond, lossSecond: 0 }
    this.#lossy.set(interfaceKey({ node, interface: name }), { node, interface: name, ...counts, ...times })
  }

  /** Evaluates all interfaces. Call it about every second. @returns the changes of state */
  update(
    interfaces: ReadonlyMap<string, InterfaceWindow>,
    lostSince: LostSince,
    second: number,
  ): InterfaceChange[] {
    const changes: InterfaceChange[] = []
    for (const seconds of HORIZONS_SECONDS) {
      const lost = lostSince(second, seconds).filter((probe) => !this.#isRecovered(probe))
      if (lost.length === 0) continue
      const fabrics = Map.groupBy(interfaces.values(), (window) => window.interface)
      for (const [name, fabric] of fabrics) {
        for (const found of findInFabric(name, fabric, lost, second, seconds)) {
          const change = this.#add(found, second)
          if (change) changes.push(change)
        }
      }
    }
    return this.#lossy.size === 0
      ? changes
      : [...changes, ...this.#removeRecovered(interfaces, lostSince, second)]
  }

  /** Returns the interfaces that are LOSSY now. */
  lossy(): readonly LossyInterface[] {
    return [...this.#lossy.values()]
  }

  #isRecovered({ source, destination, interface: name, second }: LostProbe): boolean {
    return [source, destination].some(
      (node) => second <= (this.#recovered.get(interfaceKey({ node, interface: name })) ?? 0),
    )
  }

  #add(found: Found, second: number): InterfaceChange | undefined {
    const key = interfaceKey(found)
    const known = this.#lossy.get(key)
    if (known) {
      // In the same second the shorter horizon was evaluated first; the longer one contains the time before the loss.
      // Without new losses the counts stay, because old losses do not become fewer.
      if (known.seenSecond !== second && found.lossSecond > known.lossSecond)
        Object.assign(known, found, { seenSecond: second })
      return undefined
    }
    const hold = this.#holds.get(key)
    const isAgain = hold !== undefined && second - hold.second < MAX_HOLD_SECONDS
    const holdSeconds = isAgain ? Math.min(MAX_HOLD_SECONDS, 2 * hold.holdSeconds) : HOLD_SECONDS
    this.#holds.set(key, { holdSeconds, second })
    const lossy = { ...found, seenSecond: second, holdSeconds }
    this.#lossy.set(key, lossy)
    return { lossy, before: PathState.PATH_STATE_UP, state: PathState.PATH_STATE_LOSSY, second }
  }

  #removeRecovered(
    interfaces: ReadonlyMap<string, InterfaceWindow>,
    lostSince: LostSince,
    second: number,
  ): InterfaceChange[] {
    const changes: InterfaceChange[] = []
    const lossSeconds = lastLossBy(lostSince(second, MAX_HORIZON_SECONDS), (node, probe) =>
      interfaceKey({ node, interface: probe.interface }),
    )
    for (const [key, lossy] of this.#lossy) {
      const isGone = !interfaces.has(key)
      if (!isGone && !this.#hasRecovered(lossy, lossSeconds.get(key) ?? 0, second)) continue
      this.#lossy.delete(key)
      if (isGone) {
        this.#recovered.delete(key)
        continue
      }
      this.#recovered.set(key, second)
      changes.push({ lossy, before: PathState.PATH_STATE_LOSSY, state: PathState.PATH_STATE_UP, second })
    }
    return changes
  }

  /** Returns whether the hold time has passed, or enough time without loss. */
  #hasRecovered(lossy: LossyInterface, lastLossSecond: number, second: number): boolean {
    if (second - lossy.seenSecond >= lossy.holdSeconds) return true
    if (lossy.lostCount === 0) return false
    const last = Math.max(lossy.lossSecond, lastLossSecond)
    const needed = Math.max(MIN_QUIET_SECONDS, (SILENT_LOSSES * lossy.seconds) / lossy.lostCount)
    return second - last >= Math.min(lossy.holdSeconds, (needed * lossy.holdSeconds) / HOLD_SECONDS)
  }
}

/** Returns the states of all interfaces, all of them UP. */
export const createInterfaceStates = (): InterfaceStates => new InterfaceStates()
