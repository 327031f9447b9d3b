import type { Verdict } from '#proto/meshgauge/collector/v1/result.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { LossyInterface } from '../state/interface-state.ts'
import type { Measured, Paths } from '../state/paths.ts'
import { createNarrowing } from './narrowing.ts'
import { hasLatePath, judgeMesh } from './verdicts.ts'

/** Between two judgements; and so much longer than one took that they take a twentieth of a core at most. */
const EVERY_SECONDS = 1
const SHARE = 20
/** Between two looks for paths that are slow and nothing else. */
const LATE_EVERY_SECONDS = 5
/** Paths of one fault do not all fail in the same second; who is judged too early is judged wrongly. */
const SETTLE_SECONDS = 1.5
/** But in a fleet where something changes all the time a judgement comes all the same. */
const LONGEST_SETTLE_SECONDS = 6

export type Judged = {
  /** Whether any path is not well; asked all the time, where `measured` makes a list. */
  hasBad: () => boolean
  measured: () => readonly Measured[]
  silent: () => ReadonlySet<string>
  /** Why a node does not probe from an interface; empty when it does. */
  troubleOf: (node: string, name: string) => string
  lossy: () => readonly LossyInterface[]
  racks: () => ReadonlyMap<string, string>
  /** Adds directions where they are known. */
  directed: (verdicts: readonly Verdict[], nowMs: number) => Verdict[]
}

/** When to ask who is to blame, and what was last answered. */
export const createJudgement = (
  deps: { clock: Clock; recent: Paths['recent']; onVerdicts: (verdicts: readonly Verdict[]) => void },
  judged: Judged,
) => {
  const { clock, recent } = deps
  const narrowing = createNarrowing()
  /** Before their directions were added. */
  let found: readonly Verdict[] = []
  let verdicts: readonly Verdict[] = []
  let dueSeconds = 0
  let lateSeconds = 0
  let changedSeconds: number | undefined
  let firstChangeSeconds: number | undefined
  let isLate = false

  const isSettled = (now: number): boolean =>
    changedSeconds === undefined ||
    now - changedSeconds >= SETTLE_SECONDS ||
    now - firstChangeSeconds! >= LONGEST_SETTLE_SECONDS

  return {
    /** A path or an agent has become worse. */
    worsened: (): void => {
      changedSeconds = clock.monotonicSeconds()
      firstChangeSeconds ??= changedSeconds
    },
    tick: (): void => {
      const start = clock.monotonicSeconds()
      if (start < dueSeconds || !isSettled(start)) return
      changedSeconds = undefined
      firstChangeSeconds = undefined
      const nowMs = clock.now().getTime()
      const lossy = judged.lossy()
      if (start >= lateSeconds) {
        isLate = hasLatePath(judged.measured(), recent, nowMs)
        lateSeconds = start + LATE_EVERY_SECONDS
      }
      if (isLate || lossy.length > 0 || judged.hasBad()) {
        const measured = judged.measured()
        const [silent, racks] = [judged.silent(), judged.racks()]
        const { troubleOf } = judged
        const judgedNow = judgeMesh({
          measured,
          recent,
          silent,
          troubleOf,
          lossy,
          racks,
          before: found,
          nowMs,
        })
        found = narrowing(judgedNow, found, nowMs)
        verdicts = judged.directed(found, nowMs)
        deps.onVerdicts(verdicts)
      } else if (verdicts.length > 0) {
        found = []
        verdicts = judged.directed([], nowMs)
        deps.onVerdicts(verdicts)
      }
      const end = clock.monotonicSeconds()
      dueSeconds = end + Math.max(EVERY_SECONDS, SHARE * (end - start))
    },
    verdicts: (): readonly Verdict[] => verdicts,
  }
}
