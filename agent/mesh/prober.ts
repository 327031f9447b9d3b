/** Probes one group of a mesh with one engine process, and starts it again each time it breaks. */

import type { ProgramFault } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Activity } from '../activity.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import { EngineError, type PingSink } from '../engines/engine.ts'
import type { Interfaces } from '../interfaces.ts'
import type { MeshPlanGroup } from './assignment.ts'
import type { Windows } from './windows.ts'

/** Pause before the next attempt after a problem: short at first, because most problems pass quickly. */
const FIRST_RETRY_SECONDS = 0.25
const MAX_RETRY_SECONDS = 5

/** After an engine has run for this time, the pause before the next attempt is the first one again. */
const STABLE_SECONDS = 10

/** Time between two checks of the interface while probes are lost. */
const INTERFACE_CHECK_SECONDS = 0.02

export type ProberDeps = {
  clock: Clock
  /** Time of the mesh, in seconds since 1970. */
  time: () => number
  engines: Pick<DetectedEngines, 'ping'>
  interfaces: Interfaces
  windows: Windows
  /** The problem of a prober has changed. Nothing is measured for these slots until the next change. */
  onProblem: (slots: readonly number[]) => void
  logger: Pick<Logger, 'error'>
  /** Counts the probes with a result. */
  probes: Activity['probes']
}

type ProberOptions = {
  /** Of two probers of a target, the one with the higher number counts, once it has a result of that target. */
  id: number
  group: MeshPlanGroup
  /** The slots of the targets, in their order. */
  slots: readonly number[]
  /** Delay before the first probe, so that not all nodes start at the same moment. */
  delaySeconds: number
}

/** Why the agent itself ends an engine: a problem of this node, which is no fault of a target. */
class LocalProblem extends Error {}

/** Detects that the interface of a group is down or was replaced since the engine started. */
const createInterfaceCheck = (interfaces: Interfaces, name: string) => {
  let checkedAt = Number.NEGATIVE_INFINITY
  let index: string | undefined
  return {
    /** Why nothing can leave by the interface now; empty when it can. */
    problem: (): string => (name === '' ? '' : interfaces.problemOf(name)),
    start(): void {
      index = interfaces.deviceIndexOf(name)
    },
    /** Checks after a lost probe, at most every 20 ms. Empty when the interface is not the cause. */
    problemAfterLoss(now: number): string {
      if (name === '' || now - checkedAt < INTERFACE_CHECK_SECONDS) return ''
      checkedAt = now
      const isReplaced = interfaces.deviceIndexOf(name) !== index
      return interfaces.problemOf(name) || (isReplaced ? `${name} was removed and added again` : '')
    },
  }
}

/** Returns the text of an error for the collector; logs an unexpected one. */
const problemOf = (error: unknown, logger: Pick<Logger, 'error'>): string => {
  const isKnown = [LocalProblem, EngineError, OperatingError].some((kind) => error instanceof kind)
  if (isKnown) return (error as Error).message
  // The other groups continue and this one is tried again: one bug must not stop all measurements of the node.
  logger.error({ err: error }, 'a group of the mesh failed because of a bug')
  return 'internal error; the log of the agent has the details'
}

export const createProber = (
  deps: ProberDeps,
  { id, group, slots: initial, delaySeconds }: ProberOptions,
) => {
  const { clock, time, windows, interfaces } = deps
  const slots = Int32Array.from(initial)
  const name = group.request.interface
  const interfaceCheck = createInterfaceCheck(interfaces, name)
  const stopping = new AbortController()
  let problem = ''
  let programFault: ProgramFault | undefined
  let attempt = new AbortController()
  let hasResults = false

  /** The slots that no other prober has taken over. */
  const ownedSlots = (): number[] =>
    Array.from(slots).filter((slot) => slot >= 0 && [0, id].includes(windows.proberOf(slot)))
  const setProblem = (text: string) => {
    if (text === problem) return
    problem = text
    deps.onProblem(text === '' ? [] : ownedSlots())
  }
  const sink: PingSink = (targetIndex, rttSeconds, _refused, reason) => {
    const slot = slots[targetIndex]!
    if (slot < 0 || attempt.signal.aborted) return
    const prober = windows.proberOf(slot)
    if (prober > id) return
    const now = time()
    const local = rttSeconds === undefined ? interfaceCheck.problemAfterLoss(now) : ''
    if (local !== '') {
      attempt.abort(new LocalProblem(local))
      return
    }
    if (prober < id) windows.setProber(slot, id)
    if (!hasResults) {
      hasResults = true
      setProblem('')
    }
    deps.probes[rttSeconds === undefined ? 'lost' : 'answered']++
    windows.record(slot, rttSeconds, reason, now)
  }
  /** Runs the engine once; ends only by throwing. */
  const runOnce = async (): Promise<void> => {
    attempt = new AbortController()
    const signal = AbortSignal.any([attempt.signal, stopping.signal])
    const down = interfaceCheck.problem()
    if (down) throw new LocalProblem(down)
    interfaceCheck.start()
    const { engine } = await deps.engines.ping(group.request.engine, signal)
    windows.beginAt(ownedSlots(), time())
    const source = { interface: name, addresses: interfaces.addressesOf(name) }
    if (engine.pingContinuously) return engine.pingContinuously(group.request, source, signal, sink)
    for await (const probe of engine.ping(group.request, source, signal))
      sink(probe.targetIndex, probe.rttSeconds, probe.refused, probe.reason)
  }
  const run = async (): Promise<void> => {
    let retrySeconds = FIRST_RETRY_SECONDS
    if (delaySeconds > 0) await clock.sleep(delaySeconds, stopping.signal)
    while (!stopping.signal.aborted) {
      const startedAt = clock.monotonicSeconds()
      const error: unknown = await runOnce().then(
        () => new LocalProblem('the engine has ended'),
        (thrown) => (attempt.signal.aborted ? attempt.signal.reason : thrown),
      )
      if (stopping.signal.aborted) return
      hasResults = false
      // An engine fails with various messages when its interface is down; the state of the interface is clearer.
      const down = interfaceCheck.problem()
      programFault = down === '' && error instanceof EngineError ? error.programFault : undefined
      setProblem(down || problemOf(error, deps.logger))
      if (clock.monotonicSeconds() - startedAt > STABLE_SECONDS) retrySeconds = FIRST_RETRY_SECONDS
      await clock.sleep(retrySeconds, stopping.signal)
      // An interface that is down is checked again soon, because a check costs nothing.
      if (!(error instanceof LocalProblem)) retrySeconds = Math.min(2 * retrySeconds, MAX_RETRY_SECONDS)
    }
  }
  // Only an interrupted sleep rejects.
  const done = run().catch(() => undefined)

  return {
    group,
    /** Why nothing is measured now; empty when it is. */
    problem: (): string => problem,
    /** Set when the problem is a program of this node that hangs, crashes, or prints what cannot be true. */
    programFault: (): ProgramFault | undefined => (problem === '' ? undefined : programFault),
    /** Number of targets that no newer prober has taken over. */
    ownedCount: (): number => slots.filter((slot) => slot >= 0 && windows.proberOf(slot) <= id).length,
    /** Stops recording for these slots. */
    forget: (freed: ReadonlySet<number>): void => {
      for (const [index, slot] of slots.entries()) if (freed.has(slot)) slots[index] = -1
    },
    end: async (): Promise<void> => {
      stopping.abort()
      await done
    },
  }
}

export type Prober = ReturnType<typeof createProber>
