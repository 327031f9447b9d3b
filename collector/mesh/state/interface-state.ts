import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { Ingest } from './ingest.ts'
import type { InterfaceWindow } from './interface-window.ts'
import { SILENT_LOSSES } from './path-state.ts'
import { findLossyEnds, type LossyEnd, type LostProbe } from './pooled-loss.ts'

/** Loss shows in the last seconds when it is much, in the last minute when it is little. */
const HORIZONS_SECONDS = [12, 60]
const LONGEST_SECONDS = 60
/** An interface is UP again when it was not lossy for so long, twice as long each time, up to a bound. */
const HOLD_SECONDS = 60
const LONGEST_HOLD_SECONDS = 600
/** Or already when it lost nothing for long enough to be silence, as with paths, but for no less than this. */
const LEAST_QUIET_SECONDS = 10

/** An interface that loses probes, by all its paths together. */
export type LossyInterface = {
  node: string
  interface: string
  sinceSecond: number
  /** When it last was. */
  seenSecond: number
  /** When a probe was lost last; 0 when that was before this collector. */
  lossSecond: number
  sentCount: number
  lostCount: number
  peerCount: number
  /** Over so long. */
  seconds: number
  /** Whether its agent's events say so now; a held-down one may be clean already. */
  holdSeconds: number
}

export type InterfaceChange = { lossy: LossyInterface; before: PathState; state: PathState; second: number }

/** The event's reason: what was lost. */
export const reasonOf = ({ lostCount, sentCount, peerCount }: LossyEnd): string =>
  `${lostCount} of ${sentCount} probes from or to it were lost, with ${peerCount} peers`

/** When each node lost a probe last, one way or the other. */
const lastByNode = (
  lost: readonly LostProbe[],
  suffixOf: (probe: LostProbe) => string = () => '',
): Map<string, number> => {
  const last = new Map<string, number>()
  for (const probe of lost) {
    for (const node of [probe.source, probe.destination]) {
      const key = node + suffixOf(probe)
      if (probe.second > (last.get(key) ?? Number.NEGATIVE_INFINITY)) last.set(key, probe.second)
    }
  }
  return last
}

/** Watches the loss of interfaces; the changes come with the seconds they were seen in. */
export const createInterfaceStates = () => {
  const lossy = new Map<string, LossyInterface>()
  /** How long an interface is to be clean when it becomes lossy again, and when that was. */
  const memory = new Map<string, { holdSeconds: number; second: number }>()

  /** Until when what was lost is over and done with. */
  const cleared = new Map<string, number>()
  const isOver = ({ source, destination, interface: name, second }: LostProbe): boolean =>
    [source, destination].some((node) => second <= (cleared.get(`${node} ${name}`) ?? 0))

  const enter = (
    end: LossyEnd & { seconds: number; lossSecond: number },
    name: string,
    second: number,
  ): InterfaceChange | undefined => {
    const key = `${end.node} ${name}`
    const known = lossy.get(key)
    const { sentCount, lostCount, peerCount, seconds, lossSecond } = end
    if (known) {
      // Of the same second the shorter time says how much it is now; the longer one has what was well before in it.
      if (known.seenSecond === second) return undefined
      // While nothing is lost, what is known of the loss stays: it becomes no less by becoming old.
      if (lossSecond <= known.lossSecond) return undefined
      Object.assign(known, { sentCount, lostCount, peerCount, seconds, lossSecond, seenSecond: second })
      return undefined
    }
    const before = memory.get(key)
    const isAgain = before !== undefined && second - before.second < LONGEST_HOLD_SECONDS
    const holdSeconds = isAgain ? Math.min(LONGEST_HOLD_SECONDS, 2 * before.holdSeconds) : HOLD_SECONDS
    memory.set(key, { holdSeconds, second })
    const found = { ...end, interface: name, sinceSecond: second, seenSecond: second, holdSeconds }
    lossy.set(key, found)
    const [up, state] = [PathState.PATH_STATE_UP, PathState.PATH_STATE_LOSSY]
    return { lossy: found, before: up, state, second }
  }

  /** Whether nothing was lost for so long that the loss is over, or that it was not lossy for its hold time. */
  const isClean = (
    each: LossyInterface,
    lossSeconds: ReadonlyMap<string, number>,
    second: number,
  ): boolean => {
    if (second - each.seenSecond >= each.holdSeconds) return true
    if (each.lostCount === 0) return false
    const last = Math.max(each.lossSecond, lossSeconds.get(`${each.node} ${each.interface}`) ?? 0)
    const needed = Math.max(LEAST_QUIET_SECONDS, (SILENT_LOSSES * each.seconds) / each.lostCount)
    return second - last >= Math.min(each.holdSeconds, (needed * each.holdSeconds) / HOLD_SECONDS)
  }

  return {
    /** Interfaces that were lossy when this collector started. */
    restore: (node: string, name: string, second: number, nowSecond: number): void => {
      const figures = { sentCount: 0, lostCount: 0, peerCount: 0, seconds: 0, holdSeconds: HOLD_SECONDS }
      const times = { sinceSecond: second, seenSecond: nowSecond, lossSecond: 0 }
      lossy.set(`${node} ${name}`, { node, interface: name, ...figures, ...times })
    },
    judge: (
      ends: ReadonlyMap<string, InterfaceWindow>,
      ingest: Pick<Ingest, 'lostSince'>,
      second: number,
    ): InterfaceChange[] => {
      const changes: InterfaceChange[] = []
      for (const seconds of HORIZONS_SECONDS) {
        const lost = ingest.lostSince(second, seconds).filter((probe) => !isOver(probe))
        if (lost.length === 0) continue
        const byInterface = Map.groupBy(ends.values(), (end) => end.interface)
        for (const [name, all] of byInterface) {
          const own = lost.filter((probe) => probe.interface === name)
          if (own.length === 0) continue
          const pooled = all.map((end) => {
            const [tx, rx] = [end.sum('tx', second, seconds), end.sum('rx', second, seconds)]
            const lostCount = tx.creditedCount + rx.creditedCount
            return { node: end.node, sentCount: tx.sentCount + rx.sentCount, lostCount }
          })
          const lossSeconds = lastByNode(own)
          const lostBy = new Map(pooled.map(({ node, lostCount }) => [node, lostCount]))
          for (const end of findLossyEnds(pooled, own)) {
            // Against chance a path counts a few times at most; what is told is what was lost.
            const lostCount = lostBy.get(end.node) ?? end.lostCount
            const lossSecond = lossSeconds.get(end.node)!
            const change = enter({ ...end, lostCount, seconds, lossSecond }, name, second)
            if (change) changes.push(change)
          }
        }
      }
      if (lossy.size === 0) return changes
      const lately = lastByNode(ingest.lostSince(second, LONGEST_SECONDS), (probe) => ` ${probe.interface}`)
      for (const [key, each] of lossy) {
        const isGone = !ends.has(key)
        if (!isGone && !isClean(each, lately, second)) continue
        lossy.delete(key)
        if (isGone) cleared.delete(key)
        else cleared.set(key, second)
        const [before, state] = [PathState.PATH_STATE_LOSSY, PathState.PATH_STATE_UP]
        if (!isGone) changes.push({ lossy: each, before, state, second })
      }
      return changes
    },
    lossy: (): readonly LossyInterface[] => [...lossy.values()],
  }
}
