/** One owner's assignment while it is carried out: its probers, windows, and the batches that wait for a stream. */

import type { MeshProblem, MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { createId, type RandomBytes } from '../../lib/ids.ts'
import { type MeshPlan, targetKey } from './assignment.ts'
import { createOutbox } from './outbox.ts'
import type { ProberDeps } from './prober.ts'
import { createProberSet } from './prober-set.ts'
import { createWindows } from './windows.ts'

/** Windows that close early within this time make one batch: prompt, and few messages while a fleet dies. */
const EARLY_CLOSE_SECONDS = 0.1

/** Updates that arrive within this time are applied together. */
const UPDATE_SETTLE_SECONDS = 0.2

/** Extra round-trip times in a window, beyond those that its length explains, for the time until it is closed. */
const RESERVED_ROUND_TRIPS = 64

/** A window of an hour at 100 probes a second would fill the memory of a small node; it closes early instead. */
const MAX_ROUND_TRIPS = 4096

/** A timer that fires within this share of a window before its end belongs to that end. */
const EARLY_TIMER_SHARE = 0.01

type SessionDeps = Omit<ProberDeps, 'windows' | 'onProblem'> & { randomBytes: RandomBytes }

type SessionOptions = {
  plan: MeshPlan
  /** Position of this node in every round, 0 to 1. */
  phase: number
}

/** Round-trip times in a window of the fastest group. */
const roundTripsOf = ({ groups, windowSeconds }: MeshPlan): number => {
  const shortest = Math.min(1, ...groups.map(({ intervalSeconds }) => intervalSeconds))
  return Math.min(MAX_ROUND_TRIPS, Math.ceil(windowSeconds / shortest) + RESERVED_ROUND_TRIPS)
}

/** Calls its function once, `EARLY_CLOSE_SECONDS` after the first request. */
const createDebounce = (later: (seconds: number, act: () => void) => Promise<void>, act: () => void) => {
  let isScheduled = false
  return () => {
    if (isScheduled) return
    isScheduled = true
    void later(EARLY_CLOSE_SECONDS, () => {
      isScheduled = false
      act()
    })
  }
}

/** The slots of the targets in the windows. A target keeps its slot while it is assigned. */
const createTargetSlots = (windows: ReturnType<typeof createWindows>, time: () => number) => {
  const slotOf = new Map<string, number>()
  return {
    of: ({ targets }: MeshPlan['groups'][number]): number[] =>
      targets.map((target) => slotOf.get(targetKey(target))!),
    /** Frees the slots of targets that the plan lacks; returns their last windows. */
    free: (next: MeshPlan, onFreed: (slots: ReadonlySet<number>) => void): MeshWindows[] => {
      const wanted = new Set(next.groups.flatMap(({ targets }) => targets.map(targetKey)))
      const removed = [...slotOf].filter(([key]) => !wanted.has(key))
      const freed = new Set(removed.map(([, slot]) => slot))
      onFreed(freed)
      for (const [key] of removed) slotOf.delete(key)
      return windows.remove(freed, time())
    },
    add: (next: MeshPlan): void => {
      for (const target of next.groups.flatMap(({ targets }) => targets)) {
        const key = targetKey(target)
        if (!slotOf.has(key)) slotOf.set(key, windows.add(target.id, time()))
      }
    },
  }
}

export const createSession = (deps: SessionDeps, { plan: first, phase }: SessionOptions) => {
  const { clock, time } = deps
  const stopping = new AbortController()
  const outbox = createOutbox()
  let plan = first
  let pendingPlan: MeshPlan | undefined
  /** Aborted when the length of the windows changes. */
  let windowTimer = new AbortController()

  const later = (seconds: number, act: () => void): Promise<void> =>
    clock.sleep(seconds, stopping.signal).then(act, () => undefined)
  const windows = createWindows({
    roundTripsPerWindow: roundTripsOf(first),
    windowSeconds: () => plan.windowSeconds,
    onEarlyClose: createDebounce(later, () => outbox.put(windows.closeEarly(time()))),
  })
  const slots = createTargetSlots(windows, time)
  const onProblem = (affected: readonly number[]) => {
    outbox.put(windows.close(affected, time()))
    outbox.notify()
  }
  const probers = createProberSet({ ...deps, windows, onProblem }, { phase, slotsOf: slots.of, later })

  const apply = (next: MeshPlan) => {
    outbox.put(slots.free(next, probers.forget))
    slots.add(next)
    windows.reserve(roundTripsOf(next))
    if (next.windowSeconds !== plan.windowSeconds) windowTimer.abort()
    plan = next
    probers.apply(next)
    outbox.notify()
  }
  const closeWindows = async () => {
    for (;;) {
      // Each node has its own moment within a window, so that the batches of a fleet do not arrive at once.
      const passed = (time() / plan.windowSeconds - phase) % 1
      const left = (1 - passed) * plan.windowSeconds
      const seconds = passed > 1 - EARLY_TIMER_SHARE ? left + plan.windowSeconds : left
      windowTimer = new AbortController()
      const isDue = await clock.sleep(seconds, AbortSignal.any([stopping.signal, windowTimer.signal])).then(
        () => true,
        () => false,
      )
      stopping.signal.throwIfAborted()
      if (isDue) outbox.put(windows.closeAll(time()))
    }
  }
  apply(first)
  void closeWindows().catch(() => undefined)

  return {
    id: createId(deps.randomBytes),
    owner: first.owner,
    plan: (): MeshPlan => plan,
    /** Changes the plan. Updates that arrive close together are applied together. */
    update: (next: MeshPlan): void => {
      const isScheduled = pendingPlan !== undefined
      pendingPlan = next
      if (isScheduled) return
      void later(UPDATE_SETTLE_SECONDS, () => {
        const latest = pendingPlan!
        pendingPlan = undefined
        apply(latest)
      })
    },
    acknowledge: outbox.acknowledge,
    seal: outbox.seal,
    batchFrom: outbox.batchFrom,
    droppedCount: outbox.droppedCount,
    heldWindowCount: outbox.heldWindowCount,
    problems: (): MeshProblem[] => [...probers.problems(), ...plan.refused],
    /** Sets what is called when there is something to send; undefined removes it. */
    onBatch: outbox.listen,
    /** Ends all probing. What was measured until now is in the last batches. */
    end: async (): Promise<void> => {
      stopping.abort()
      outbox.put(windows.closeAll(time(), true))
      await probers.end()
    },
  }
}

export type Session = ReturnType<typeof createSession>
