/** One group of a mesh under way: its engine's process, started anew whenever it breaks. */

import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Detected } from '../engines/detected.ts'
import type { PingEngine, PingSink, PingSource } from '../engines/engine.ts'
import { EngineError } from '../engines/engine.ts'
import type { Interfaces } from '../interfaces.ts'
import type { MeshPlanGroup } from './assignment.ts'
import type { Windows } from './windows.ts'

/** Waits before the next try after trouble: short at first, because most of it passes at once. */
const FIRST_RETRY_SECONDS = 0.25
const MAX_RETRY_SECONDS = 5

/** An engine that ran so long without trouble has got over the last one. */
const SETTLED_SECONDS = 10

export type ProberDeps = {
  clock: Clock
  /** The mesh's own time, seconds since 1970. */
  time: () => number
  engines: Pick<Detected, 'ping'>
  interfaces: Interfaces
  windows: Windows
  /** Its trouble has changed; nothing more is measured of these places for now. */
  onTrouble: (slots: readonly number[]) => void
  logger: Pick<Logger, 'error'>
}

type ProberOptions = {
  /** Of two probers of the same target the one with the higher number counts, once it has been heard of it. */
  id: number
  group: MeshPlanGroup
  /** The places of the targets, in their order. */
  slots: readonly number[]
  /** Waits before its first probe, so that not all nodes begin at the same moment. */
  delaySeconds: number
}

/** Why the agent itself ends an engine: what this node can see with its own eyes is no fault of a target. */
class LocalTrouble extends Error {}

export const createProber = (
  deps: ProberDeps,
  { id, group, slots: initial, delaySeconds }: ProberOptions,
) => {
  const { clock, time, windows, interfaces } = deps
  const slots = Int32Array.from(initial)
  const name = group.request.interface
  const stopping = new AbortController()
  let trouble = ''
  let attempt = new AbortController()
  let retrySeconds = FIRST_RETRY_SECONDS
  let heard = false
  let checkedAt = Number.NEGATIVE_INFINITY
  let device: string | undefined

  /** The places that no other prober feeds. */
  const mine = (): number[] =>
    Array.from(slots).filter((slot) => slot >= 0 && [0, id].includes(windows.ownerOf(slot)))
  const setTrouble = (words: string) => {
    if (words === trouble) return
    trouble = words
    deps.onTrouble(words === '' ? [] : mine())
  }
  /** Asked at the first loss of each moment; with the interface down or gone all that follows is no loss. */
  const isLocal = (now: number): boolean => {
    if (name === '' || now - checkedAt < 0.02) return false
    checkedAt = now
    const isOther = interfaces.indexOf(name) !== device
    const words = interfaces.troubleOf(name) || (isOther ? `${name} was taken away and put back` : '')
    if (words === '') return false
    attempt.abort(new LocalTrouble(words))
    return true
  }
  const sink: PingSink = (targetIndex, rttSeconds, _refused, reason) => {
    const slot = slots[targetIndex]!
    if (slot < 0 || attempt.signal.aborted) return
    const owner = windows.ownerOf(slot)
    if (owner > id) return
    const now = time()
    if (rttSeconds === undefined && isLocal(now)) return
    if (owner < id) windows.own(slot, id)
    if (!heard) {
      heard = true
      setTrouble('')
    }
    windows.record(slot, rttSeconds, reason, now)
  }
  const wordsOf = (error: unknown): string => {
    const isKnown = [LocalTrouble, EngineError, OperatingError].some((kind) => error instanceof kind)
    if (isKnown) return (error as Error).message
    // The mesh goes on without this group, and tries it again: one bug must not blind the whole node.
    deps.logger.error({ err: error }, 'a group of the mesh failed because of a bug')
    return 'internal error; the log of the agent has the details'
  }
  const watch = async (engine: PingEngine, source: PingSource, signal: AbortSignal): Promise<void> => {
    if (engine.watch) return engine.watch(group.request, source, signal, sink)
    for await (const { targetIndex, rttSeconds, refused, reason } of engine.ping(
      group.request,
      source,
      signal,
    ))
      sink(targetIndex, rttSeconds, refused, reason)
  }
  /** Runs the engine once; ends only by throwing. */
  const runOnce = async (): Promise<void> => {
    attempt = new AbortController()
    const signal = AbortSignal.any([attempt.signal, stopping.signal])
    const down = name === '' ? '' : interfaces.troubleOf(name)
    if (down) throw new LocalTrouble(down)
    device = interfaces.indexOf(name)
    const { engine } = await deps.engines.ping(group.request.engine, signal)
    windows.beginAt(mine(), time())
    await watch(engine, { interface: name, addresses: interfaces.addressesOf(name) }, signal)
  }
  const run = async (): Promise<void> => {
    if (delaySeconds > 0) await clock.sleep(delaySeconds, stopping.signal)
    while (!stopping.signal.aborted) {
      const startedAt = clock.monotonicSeconds()
      const error: unknown = await runOnce().then(
        () => new LocalTrouble('the engine has ended'),
        (thrown) => (attempt.signal.aborted ? attempt.signal.reason : thrown),
      )
      if (stopping.signal.aborted) return
      heard = false
      // An engine fails in many words when its interface does; what this node sees of it says more.
      setTrouble((name === '' ? '' : interfaces.troubleOf(name)) || wordsOf(error))
      if (clock.monotonicSeconds() - startedAt > SETTLED_SECONDS) retrySeconds = FIRST_RETRY_SECONDS
      await clock.sleep(retrySeconds, stopping.signal)
      // An interface that is down is looked at again soon: looking costs nothing.
      if (!(error instanceof LocalTrouble)) retrySeconds = Math.min(2 * retrySeconds, MAX_RETRY_SECONDS)
    }
  }
  // Nothing but a sleep that was cut short gets here.
  const done = run().catch(() => undefined)

  return {
    group,
    /** Why nothing is measured now, in words; empty when it is. */
    trouble: (): string => trouble,
    /** How many of its targets still look to it. */
    ownedCount: (): number => slots.filter((slot) => slot >= 0 && windows.ownerOf(slot) <= id).length,
    /** These places are free: what is still heard of their targets is nobody's business. */
    forget: (gone: ReadonlySet<number>): void => {
      for (const [index, slot] of slots.entries()) if (gone.has(slot)) slots[index] = -1
    },
    end: async (): Promise<void> => {
      stopping.abort()
      await done
    },
  }
}

export type Prober = ReturnType<typeof createProber>
