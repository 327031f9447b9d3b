/** One assignment under way, for one owner: probers, windows, and the batches that wait for their stream. */

import { randomUUID } from 'node:crypto'
import type { MeshTrouble, MeshWindows } from '#proto/meshgauge/agent/v1/ping.ts'
import { type MeshPlan, targetKey } from './assignment.ts'
import { createProber, type Prober, type ProberDeps } from './prober.ts'
import { createUnacknowledgedBatches, MAX_UNACKNOWLEDGED_BYTES } from './unacknowledged-batches.ts'
import { createWindows } from './windows.ts'

/** Windows that wait for a stream become a batch when they are so many; with a stream they do at once. */
const BATCH_WINDOWS = 2000

/** Losses of this long make one batch: prompt, and yet few messages while a fleet dies. */
const NEWS_SECONDS = 0.1

/** Updates that come together are applied together. */
const SETTLE_SECONDS = 0.2

/** An engine that takes over has been heard of all its targets after two rounds, a timeout and its start. */
const TAKE_OVER_MARGIN_SECONDS = 5

/** Round-trip times in a window beyond those that its length explains, while its end is on the way. */
const SPARE_ROUND_TRIPS = 64

/** A window of an hour at a hundred probes a second would fill the memory of a small node; it ends early instead. */
const MAX_ROUND_TRIPS = 4096

/** A timer that comes this share of a window early has come in time. */
const EARLY_SHARE = 0.99

type SessionDeps = Omit<ProberDeps, 'windows' | 'onTrouble'>

type SessionOptions = {
  plan: MeshPlan
  /** 0 to 1, this node's own place in every round. */
  phase: number
}

type Retiring = { prober: Prober; until: number }

export const createSession = (deps: SessionDeps, { plan: first, phase }: SessionOptions) => {
  const { clock, time } = deps
  const stopping = new AbortController()
  const held = createUnacknowledgedBatches({ maxBytes: MAX_UNACKNOWLEDGED_BYTES })
  const slotOf = new Map<string, number>()
  let plan = first
  let probers: Prober[] = []
  let retiring: Retiring[] = []
  let nextProber = 1
  let outbox: MeshWindows[] = []
  let outboxCount = 0
  let listener: (() => void) | undefined
  let newsTimer = false
  let pending: MeshPlan | undefined
  /** Aborted when windows have another length than before. */
  let rhythm = new AbortController()
  let retireTimer = false

  const put = (windows: MeshWindows[]) => {
    if (windows.length === 0) return
    outbox.push(...windows)
    for (const together of windows) outboxCount += together.windows.length
    if (outboxCount >= BATCH_WINDOWS) seal()
    listener?.()
  }
  const seal = () => {
    if (outbox.length === 0) return
    held.add(outbox.sort(byTime))
    outbox = []
    outboxCount = 0
  }
  const windows = createWindows({
    roundTripsPerWindow: roundTripsOf(first),
    windowSeconds: () => plan.windowSeconds,
    onNews: () => {
      if (newsTimer) return
      newsTimer = true
      void later(NEWS_SECONDS, () => {
        newsTimer = false
        put(windows.closeNews(time()))
      })
    },
  })
  /** Does it then, unless the session has ended. */
  const later = (seconds: number, act: () => void): Promise<void> =>
    clock.sleep(seconds, stopping.signal).then(act, () => undefined)

  const proberDeps: ProberDeps = {
    ...deps,
    windows,
    onTrouble: (slots) => {
      put(windows.close(slots, time()))
      listener?.()
    },
  }
  /** Gives every target its place; frees those of targets that are no more. */
  const place = (next: MeshPlan) => {
    const wanted = new Set(next.groups.flatMap(({ targets }) => targets.map(targetKey)))
    const gone = [...slotOf].filter(([key]) => !wanted.has(key))
    const freed = new Set(gone.map(([, slot]) => slot))
    for (const prober of [...probers, ...retiring.map((one) => one.prober)]) prober.forget(freed)
    put(windows.remove(freed, time()))
    for (const [key] of gone) slotOf.delete(key)
    for (const { targets } of next.groups) {
      for (const target of targets) {
        const key = targetKey(target)
        if (!slotOf.has(key)) slotOf.set(key, windows.add(target.id, time()))
      }
    }
  }
  const apply = (next: MeshPlan, isFirst: boolean) => {
    place(next)
    windows.makeRoom(roundTripsOf(next))
    if (next.windowSeconds !== plan.windowSeconds) rhythm.abort()
    plan = next
    const unused = new Set(probers)
    probers = next.groups.map((group) => {
      const same = [...unused].find((prober) => prober.group.key === group.key)
      if (same) {
        unused.delete(same)
        return same
      }
      const slots = group.targets.map((target) => slotOf.get(targetKey(target))!)
      const delaySeconds = isFirst ? phase * Math.min(1, group.intervalSeconds) : 0
      return createProber(proberDeps, { id: nextProber++, group, slots, delaySeconds })
    })
    const longest = Math.max(
      0,
      ...next.groups.map((group) => 2 * group.intervalSeconds + group.timeoutSeconds),
    )
    const until = clock.monotonicSeconds() + longest + TAKE_OVER_MARGIN_SECONDS
    retiring.push(...[...unused].map((prober) => ({ prober, until })))
    retire()
    listener?.()
  }
  /**
   * Ends the probers that nobody looks to any more, that measure nothing either, or whose successors have had all the
   * time that they need: on an interface that stays down, they would gather with each change of the list.
   */
  const retire = () => {
    const now = clock.monotonicSeconds()
    const successorsWork = probers.every((prober) => prober.trouble() === '')
    const isOver = ({ prober, until }: Retiring) =>
      prober.trouble() !== '' || prober.ownedCount() === 0 || (now > until && successorsWork)
    const over = retiring.filter(isOver)
    retiring = retiring.filter((one) => !over.includes(one))
    for (const { prober } of over) void prober.end()
    if (retiring.length === 0 || retireTimer) return
    retireTimer = true
    void later(SETTLE_SECONDS, () => {
      retireTimer = false
      retire()
    })
  }
  const closeInTime = async () => {
    for (;;) {
      // This node's own moment within every window, so that a fleet's batches do not all come at once.
      const passed = (time() / plan.windowSeconds - phase) % 1
      const left = (1 - passed) * plan.windowSeconds
      const seconds = passed > EARLY_SHARE ? left + plan.windowSeconds : left
      rhythm = new AbortController()
      const isDue = await clock.sleep(seconds, AbortSignal.any([stopping.signal, rhythm.signal])).then(
        () => true,
        () => false,
      )
      stopping.signal.throwIfAborted()
      if (isDue) put(windows.closeAll(time()))
    }
  }
  apply(first, true)
  void closeInTime().catch(() => undefined)

  return {
    id: randomUUID(),
    owner: first.owner,
    plan: (): MeshPlan => plan,
    /** Probes this from now on. Updates that come together are applied together. */
    update: (next: MeshPlan): void => {
      const isWaiting = pending !== undefined
      pending = next
      if (isWaiting) return
      void later(SETTLE_SECONDS, () => {
        const latest = pending!
        pending = undefined
        apply(latest, false)
      })
    },
    acknowledge: (sequence: number): void => held.acknowledge(sequence),
    /** Makes one batch of what there is, or an empty one; it has the next number. */
    seal: (evenEmpty: boolean): void => {
      if (outbox.length > 0) seal()
      else if (evenEmpty) held.add([])
    },
    batchFrom: held.from,
    droppedCount: held.droppedCount,
    troubles: (): MeshTrouble[] =>
      probers.flatMap((prober, groupIndex) =>
        prober.trouble() === ''
          ? []
          : [{ groupIndex, reason: prober.trouble(), interface: prober.group.request.interface }],
      ),
    /** Called whenever there is something to send; undefined for nobody. */
    listen: (next: (() => void) | undefined): void => {
      listener = next
    },
    /** Ends all probing; what was measured so far is in the last batches. */
    end: async (): Promise<void> => {
      const all = [...probers, ...retiring.map(({ prober }) => prober)]
      stopping.abort()
      probers = []
      retiring = []
      put(windows.closeAll(time(), true))
      await Promise.all(all.map((prober) => prober.end()))
    },
  }
}

export type Session = ReturnType<typeof createSession>

const secondsOf = ({ startTime }: MeshWindows): number =>
  startTime ? startTime.seconds + startTime.nanos / 1e9 : 0

const byTime = (a: MeshWindows, b: MeshWindows): number => secondsOf(a) - secondsOf(b)

/** Room for the windows of the fastest group. */
const roundTripsOf = ({ groups, windowSeconds }: MeshPlan): number =>
  Math.min(
    MAX_ROUND_TRIPS,
    Math.ceil(windowSeconds / Math.min(1, ...groups.map(({ intervalSeconds }) => intervalSeconds))) +
      SPARE_ROUND_TRIPS,
  )
