import { interfaceKey, type NodeInterface } from '../../inventory/keys.ts'

/** How long a load is kept: late windows and the round-trip times of the last minute are compared with it. */
const RETENTION_MS = 150_000

/**
 * Records when exclusive runs of this collector loaded interfaces. Such a run fills its links: probes then
 * wait in queues or are lost, which is no evidence of a fault.
 * @param interfacesInUse returns the keys of the interfaces that exclusive runs use now
 * @param allLoadedUntilMs every interface counts as loaded until this time: after a crash it is not known which
 * interfaces the interrupted runs used
 */
export const createRunLoad = (
  interfacesInUse: () => ReadonlySet<string>,
  allLoadedUntilMs = Number.NEGATIVE_INFINITY,
) => {
  const loads = new Map<string, { fromMs: number; toMs: number; isHeld: boolean }>()
  // A load that the first sample finds began at an unknown time before it.
  let sampledMs = Number.NEGATIVE_INFINITY

  const isLoaded = (end: NodeInterface, fromMs: number, toMs: number): boolean => {
    const load = loads.get(interfaceKey(end))
    return load !== undefined && load.fromMs <= toMs && load.toMs >= fromMs
  }

  return {
    /** Call it about every second. The time between two samples counts as loaded when either of them found the load. */
    sample: (nowMs: number): void => {
      const held = interfacesInUse()
      for (const key of held) {
        if (!loads.get(key)?.isHeld) loads.set(key, { fromMs: sampledMs, toMs: nowMs, isHeld: true })
      }
      for (const [key, load] of loads) {
        // A run that has ended since the last sample may have lasted until now.
        if (load.isHeld) load.toMs = nowMs
        else if (nowMs - load.toMs > RETENTION_MS) loads.delete(key)
        load.isHeld = held.has(key)
      }
      sampledMs = nowMs
    },
    /** Returns whether a run loaded either end of a path within the given time. */
    overlaps: (
      { source, destination }: { source: NodeInterface; destination: NodeInterface },
      fromMs: number,
      toMs: number,
    ): boolean =>
      fromMs <= allLoadedUntilMs ||
      (loads.size > 0 && (isLoaded(source, fromMs, toMs) || isLoaded(destination, fromMs, toMs))),
  }
}

export type RunLoad = ReturnType<typeof createRunLoad>
