/** An end of a path, as far as load is concerned. */
type End = { node: string; interface: string }

/** Late windows still ask about so long ago, and so does the last minute of round-trip times. */
const KEPT_MS = 150_000

const keyOf = ({ node, interface: name }: End): string => `${node} ${name}`

/**
 * When interfaces carried exclusive runs of this collector. Such a run fills its links on purpose: probes then wait in
 * queues and some are lost, which is no fault of anyone, and must not accuse anyone.
 * @param held the interfaces, as `node interface`, that runs have to themselves now
 */
export const createOwnLoad = (held: () => ReadonlySet<string>) => {
  const loads = new Map<string, { fromMs: number; toMs: number; isHeld: boolean }>()
  // Before the first look nobody looked; what was there then began some time before.
  let lookedMs = Number.NEGATIVE_INFINITY

  const touchesEnd = (end: End, fromMs: number, toMs: number): boolean => {
    const load = loads.get(keyOf(end))
    return load !== undefined && load.fromMs <= toMs && load.toMs >= fromMs
  }

  return {
    /** To be called every second or so; what happened between two looks counts as load if either look saw it. */
    look: (nowMs: number): void => {
      const now = held()
      for (const key of now) {
        if (!loads.get(key)?.isHeld) loads.set(key, { fromMs: lookedMs, toMs: nowMs, isHeld: true })
      }
      for (const [key, load] of loads) {
        // A run that ended since the last look may have been there until now.
        if (load.isHeld) load.toMs = nowMs
        else if (nowMs - load.toMs > KEPT_MS) loads.delete(key)
        load.isHeld = now.has(key)
      }
      lookedMs = nowMs
    },
    /** Whether a run was on either end of a path at any moment of the time, give or take a look. */
    touches: (
      { source, destination }: { source: End; destination: End },
      fromMs: number,
      toMs: number,
    ): boolean =>
      loads.size > 0 && (touchesEnd(source, fromMs, toMs) || touchesEnd(destination, fromMs, toMs)),
  }
}

export type OwnLoad = ReturnType<typeof createOwnLoad>
