import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { wilsonLower } from '../../../lib/statistics.ts'
import { defaultThresholds } from '../../diagnosis/thresholds.ts'

/** The part of a window that determines the state of a path. Times are Unix milliseconds in mesh time. */
export type WindowCounts = {
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
}

/** How a path was probed during a window. */
export type ProbeConditions = {
  /** Time between two probes. */
  intervalSeconds: number
  /** Whether an exclusive run loaded one of its interfaces. Probes lost then are no evidence of a fault. */
  isLoaded: boolean
}

/** The state and the evidence of one path. All fields are numbers, because a fleet has a hundred thousand of them. */
export type PathHealth = {
  state: PathState
  /** When it entered the state. */
  stateMs: number
  /** Start of the first window; 0 before it. */
  firstMs: number
  /** End of the last window. */
  lastEndMs: number
  /** Probes lost in a row up to now. They count as loss only after an answer, because the path may be DOWN. */
  trailingLost: number
  /** When the present row of lost probes began. */
  runMs: number
  /** When a probe was last lost. */
  lossMs: number
  /** When the first probe was answered after DOWN; 0 while none was. */
  answeredMs: number
  /** Evidence of loss in the current and the previous half minute, without probes lost while DOWN. */
  sentNow: number
  lostNow: number
  sentBefore: number
  lostBefore: number
  /** Number of the current half minute since 1970. */
  halfMinute: number
  /** Time without loss after which LOSSY ends; 0 until a loss rate is known. */
  quietMs: number
  /** Number of times it became bad, decaying with the half-life PENALTY_HALF_LIFE_MS. */
  penalty: number
  penaltyMs: number
}

/** A change of state in mesh time. */
export type Change = { timeMs: number; before: PathState; state: PathState }

const HALF_MINUTE_MS = 30_000

/** DOWN after this number of probes lost in a row, on a path without other loss ... */
const DOWN_RUN = 2
/** ... that also cover at least this time. */
const DOWN_SECONDS = 0.8
/** On a lossy path, DOWN after a row of losses that chance produces less often than this ... */
const CHANCE_OF_A_RUN = 1e-4
/** ... and always after this number. */
const MAX_DOWN_RUN = 10
/** Replaces DOWN_SECONDS while an exclusive run fills the link, which can delay or drop all probes for a while. */
const LOADED_DOWN_SECONDS = 5
/** Loss below this ratio does not produce rows of two. */
const RARE_LOSS = 0.03
/** LOSSY needs at least this number of lost probes. */
const LOSSY_COUNT = 3

/** Time without loss after which DOWN becomes UP. */
const DOWN_HOLD_MS = 5_000
/**
 * LOSSY becomes UP after a time without loss that, had the loss continued, would have a chance of 1 in 10,000: with
 * Poisson losses at rate r the chance of none in time t is exp(-r t), so t = ln(10,000) / r. Bounded by the next two.
 */
export const SILENT_LOSSES = Math.log(10_000)
const MIN_LOSSY_HOLD_MS = 10_000
const LOSSY_HOLD_MS = 60_000
/** Both hold times double each time the path becomes bad again, up to this. */
const MAX_HOLD_MS = 600_000
const PENALTY_HALF_LIFE_MS = 600_000

/** Returns the health of a path without windows. @param state what it was before this collector started */
export const createPathHealth = (state = PathState.PATH_STATE_UNSPECIFIED as PathState): PathHealth => ({
  state,
  stateMs: 0,
  firstMs: 0,
  lastEndMs: 0,
  trailingLost: 0,
  runMs: 0,
  lossMs: 0,
  answeredMs: 0,
  sentNow: 0,
  lostNow: 0,
  sentBefore: 0,
  lostBefore: 0,
  halfMinute: 0,
  quietMs: 0,
  penalty: 0,
  penaltyMs: 0,
})

/** Returns the penalty after its decay until now. */
const decayedPenalty = (path: PathHealth, nowMs: number): number =>
  path.penalty === 0 ? 0 : path.penalty * 2 ** (-Math.max(0, nowMs - path.penaltyMs) / PENALTY_HALF_LIFE_MS)

/** Returns how long a path must be without loss. Doubles each time, so that a flapping path produces few events. */
const holdMs = (path: PathHealth, nowMs: number, base: number): number =>
  Math.min(MAX_HOLD_MS, base * 2 ** Math.max(0, Math.round(decayedPenalty(path, nowMs)) - 1))

const clearEvidence = (path: PathHealth): void => {
  path.sentNow = 0
  path.lostNow = 0
  path.sentBefore = 0
  path.lostBefore = 0
}

const addEvidence = (path: PathHealth, endMs: number, sent: number, lost: number): void => {
  const half = Math.floor(endMs / HALF_MINUTE_MS)
  if (half !== path.halfMinute) {
    const isNext = half === path.halfMinute + 1
    path.sentBefore = isNext ? path.sentNow : 0
    path.lostBefore = isNext ? path.lostNow : 0
    path.sentNow = 0
    path.lostNow = 0
    path.halfMinute = half
  }
  path.sentNow += sent
  path.lostNow += lost
}

/** Returns the probes of the last 30 to 60 s, without those lost while DOWN. */
export const evidenceOf = (path: PathHealth): { sentCount: number; lostCount: number } => ({
  sentCount: path.sentNow + path.sentBefore,
  lostCount: path.lostNow + path.lostBefore,
})

/** Returns the length of a row of losses that the path's own loss ratio does not explain. */
const unlikelyRun = (path: PathHealth): number => {
  const lost = path.lostNow + path.lostBefore
  if (lost < LOSSY_COUNT) return DOWN_RUN
  const ratio = lost / (path.sentNow + path.sentBefore)
  if (ratio < RARE_LOSS) return DOWN_RUN
  if (ratio >= 1) return MAX_DOWN_RUN
  const run = Math.ceil(Math.log(CHANCE_OF_A_RUN) / Math.log(ratio))
  return Math.min(MAX_DOWN_RUN, Math.max(DOWN_RUN, run))
}

/** Returns the number of probes lost in a row that mean DOWN. */
const downRun = (path: PathHealth, { isLoaded, intervalSeconds }: ProbeConditions): number =>
  Math.max(
    unlikelyRun(path),
    // At a short interval a brief interruption loses several probes.
    Math.ceil((isLoaded ? LOADED_DOWN_SECONDS : DOWN_SECONDS) / intervalSeconds),
  )

/** Returns the time without loss that ends LOSSY, from the current loss rate. */
const quietTime = (path: PathHealth, intervalSeconds: number): number => {
  const { sentCount, lostCount } = evidenceOf(path)
  if (lostCount === 0) return path.quietMs
  const perSecond = lostCount / sentCount / intervalSeconds
  return Math.min(LOSSY_HOLD_MS, Math.max(MIN_LOSSY_HOLD_MS, (1000 * SILENT_LOSSES) / perSecond))
}

const isLossy = (path: PathHealth): boolean => {
  const lost = path.lostNow + path.lostBefore
  if (lost < LOSSY_COUNT) return false
  return wilsonLower(lost, path.sentNow + path.sentBefore) > defaultThresholds.lossRatio
}

const changeState = (path: PathHealth, state: PathState, timeMs: number, nowMs: number): Change => {
  const before = path.state
  const isWorse = state === PathState.PATH_STATE_DOWN || before !== PathState.PATH_STATE_DOWN
  if (state !== PathState.PATH_STATE_UP && isWorse) {
    path.penalty = decayedPenalty(path, nowMs) + 1
    path.penaltyMs = nowMs
  }
  // The times of a path's changes never go back, although each may be dated back to its first evidence.
  path.stateMs = Math.max(timeMs, path.stateMs)
  path.state = state
  return { timeMs: path.stateMs, before, state }
}

const leaveDown = (path: PathHealth, { endMs }: WindowCounts): Change | undefined => {
  const hold = holdMs(path, endMs, DOWN_HOLD_MS)
  const cleanMs = Math.max(path.answeredMs, path.lossMs)
  if (path.trailingLost === 0 && endMs - cleanMs >= hold) {
    return changeState(path, PathState.PATH_STATE_UP, cleanMs, endMs)
  }
  if (endMs - path.answeredMs >= hold && isLossy(path)) {
    return changeState(path, PathState.PATH_STATE_LOSSY, endMs, endMs)
  }
  return undefined
}

const leaveLossy = (path: PathHealth, nowMs: number): Change => {
  // Earlier losses must not make it LOSSY again.
  clearEvidence(path)
  return changeState(path, PathState.PATH_STATE_UP, nowMs, nowMs)
}

const judge = (path: PathHealth, window: WindowCounts, conditions: ProbeConditions): Change | undefined => {
  const { endMs } = window
  const isDown = path.trailingLost >= downRun(path, conditions)
  if (path.state === PathState.PATH_STATE_DOWN) {
    if (isDown) path.answeredMs = 0
    return path.answeredMs === 0 ? undefined : leaveDown(path, window)
  }
  if (isDown) {
    path.answeredMs = 0
    clearEvidence(path)
    return changeState(path, PathState.PATH_STATE_DOWN, path.runMs, endMs)
  }
  if (path.state === PathState.PATH_STATE_LOSSY) {
    const hold = holdMs(path, endMs, path.quietMs || LOSSY_HOLD_MS)
    const isClean = endMs - path.lossMs >= hold && endMs - path.stateMs >= hold
    return isClean ? leaveLossy(path, endMs) : undefined
  }
  if (isLossy(path)) return changeState(path, PathState.PATH_STATE_LOSSY, endMs, endMs)
  if (path.state === PathState.PATH_STATE_UNSPECIFIED && window.receivedCount > 0) {
    path.state = PathState.PATH_STATE_UP
    path.stateMs = window.startMs
  }
  return undefined
}

/**
 * Updates a path with a window, in mesh time: a late window is judged at its time of measurement. A window that ends
 * no later than the last one changes nothing.
 * @param trailing probes lost in a row up to the end of the window, including those of earlier windows
 * @returns the change of state, and the lost probes that an answer has confirmed as loss (the path was not DOWN)
 */
export const advance = (
  path: PathHealth,
  window: WindowCounts,
  trailing: number,
  conditions: ProbeConditions,
): { change: Change | undefined; confirmedLost: number } => {
  if (window.endMs <= path.lastEndMs) return { change: undefined, confirmedLost: 0 }
  const lost = window.sentCount - window.receivedCount
  const isDown = path.state === PathState.PATH_STATE_DOWN
  const isFirstAnswer = isDown && path.answeredMs === 0 && window.receivedCount > 0
  if (isFirstAnswer) path.answeredMs = window.endMs
  // Probes lost in a row are confirmed as loss by the next answer. The first answer after DOWN ends an outage instead.
  const isEvidence = !isFirstAnswer && !conditions.isLoaded
  const confirmedLost = isEvidence ? Math.max(0, path.trailingLost + lost - trailing) : 0
  if (trailing > 0 && (path.trailingLost === 0 || window.receivedCount > 0)) path.runMs = window.endMs
  if (lost > 0) path.lossMs = window.endMs
  path.trailingLost = trailing
  path.firstMs ||= window.startMs
  path.lastEndMs = window.endMs
  if (!isDown || path.answeredMs !== 0) {
    addEvidence(path, window.endMs, window.receivedCount + confirmedLost, confirmedLost)
    if (confirmedLost > 0) path.quietMs = quietTime(path, conditions.intervalSeconds)
  }
  const change = judge(path, window, conditions)
  return { change, confirmedLost: path.state === PathState.PATH_STATE_DOWN ? 0 : confirmedLost }
}

/**
 * Ends LOSSY because the interface of the path has ended its own: all its paths together are better evidence than one.
 * @param sinceMs the interface has lost nothing since
 */
export const clearWithInterface = (path: PathHealth, sinceMs: number, nowMs: number): Change | undefined =>
  path.state === PathState.PATH_STATE_LOSSY && path.trailingLost === 0 && path.lossMs <= sinceMs
    ? leaveLossy(path, nowMs)
    : undefined
