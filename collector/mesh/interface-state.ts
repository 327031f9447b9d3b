import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import type { End } from './ends.ts'
import type { Ingest } from './ingest.ts'
import { findLossyEnds, type LossyEnd } from './pooled-loss.ts'

/** Loss shows in the last seconds when it is much, in the last minute when it is little. */
const HORIZONS_SECONDS = [12, 60]
/** An interface is UP again when it was clean for so long, twice as long each time, up to a bound. */
const HOLD_SECONDS = 60
const LONGEST_HOLD_SECONDS = 600

/** An interface that loses probes, by all its paths together. */
export type LossyInterface = {
  node: string
  interface: string
  sinceSecond: number
  /** When it last was. */
  seenSecond: number
  sentCount: number
  lostCount: number
  peerCount: number
  /** Whether its agent's events say so now; a held-down one may be clean already. */
  holdSeconds: number
}

export type InterfaceChange = { lossy: LossyInterface; before: PathState; state: PathState; second: number }

/** The event's reason: what was lost. */
export const reasonOf = ({ lostCount, sentCount, peerCount }: LossyEnd): string =>
  `${lostCount} of ${sentCount} probes from or to it were lost, with ${peerCount} peers`

/** Watches the loss of interfaces; the changes come with the seconds they were seen in. */
export const createInterfaceStates = () => {
  const lossy = new Map<string, LossyInterface>()
  /** How long an interface is to be clean when it becomes lossy again, and when that was. */
  const memory = new Map<string, { holdSeconds: number; second: number }>()

  const enter = (end: LossyEnd, name: string, second: number): InterfaceChange | undefined => {
    const key = `${end.node} ${name}`
    const known = lossy.get(key)
    const { sentCount, lostCount, peerCount } = end
    if (known) {
      Object.assign(known, { sentCount, lostCount, peerCount, seenSecond: second })
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

  return {
    /** Interfaces that were lossy when this collector started. */
    restore: (node: string, name: string, second: number, nowSecond: number): void => {
      const figures = { sentCount: 0, lostCount: 0, peerCount: 0, holdSeconds: HOLD_SECONDS }
      const times = { sinceSecond: second, seenSecond: nowSecond }
      lossy.set(`${node} ${name}`, { node, interface: name, ...figures, ...times })
    },
    judge: (
      ends: ReadonlyMap<string, End>,
      ingest: Pick<Ingest, 'lostSince'>,
      second: number,
    ): InterfaceChange[] => {
      const changes: InterfaceChange[] = []
      for (const seconds of HORIZONS_SECONDS) {
        const lost = ingest.lostSince(second, seconds)
        if (lost.length === 0) continue
        const byInterface = Map.groupBy(ends.values(), (end) => end.interface)
        for (const [name, all] of byInterface) {
          const own = lost.filter((probe) => probe.interface === name)
          if (own.length === 0) continue
          const pooled = all.map((end) => {
            const [tx, rx] = [end.sum('tx', second, seconds), end.sum('rx', second, seconds)]
            return { node: end.node, sentCount: tx.sentCount + rx.sentCount }
          })
          for (const end of findLossyEnds(pooled, own)) {
            const change = enter(end, name, second)
            if (change) changes.push(change)
          }
        }
      }
      for (const [key, each] of lossy) {
        const isGone = !ends.has(key)
        if (!isGone && second - each.seenSecond < each.holdSeconds) continue
        lossy.delete(key)
        const [before, state] = [PathState.PATH_STATE_LOSSY, PathState.PATH_STATE_UP]
        if (!isGone) changes.push({ lossy: each, before, state, second })
      }
      return changes
    },
    lossy: (): readonly LossyInterface[] => [...lossy.values()],
  }
}
