import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { wilsonLower } from '../../diagnosis/statistics.ts'
import { defaultThresholds } from '../../diagnosis/thresholds.ts'

/** What a window says of a path's state. Times are Unix milliseconds, by the measurement. */
export type Seen = {
  startMs: number
  endMs: number
  sentCount: number
  receivedCount: number
}

/** How a path is probed while a window is measured. */
export type Circumstances = {
  /** Between two probes. */
  intervalSeconds: number
  /** Whether a run of our own filled one of its interfaces meanwhile: what is then lost is no evidence. */
  isLoaded: boolean
}

/** What is known of one path. All fields are numbers, so that a hundred thousand of them stay small. */
export type PathHealth = {
  state: PathState
  /** Since when. */
  stateMs: number
  lastEndMs: number
  /** Probes lost in a row; they count as loss only when an answer shows that the path is not down. */
  trailingLost: number
  /** When the present run of lost probes was first seen. */
  runMs: number
  /** When the last probe was lost; the path is clean since. */
  lossMs: number
  /** When the first answer came after DOWN; 0 before. */
  answeredMs: number
  /** Evidence of loss in the present half minute and the one before; what was lost while DOWN is not in it. */
  sentNow: number
  lostNow: number
  sentBefore: number
  lostBefore: number
  halfMinute: number
  /** How long silence shows that the loss is over; 0 while nothing is known of how much it is. */
  quietMs: number
  /** How often it has become bad lately; it decays. */
  penalty: number
  penaltyMs: number
}

export type Change = { timeMs: number; before: PathState; state: PathState }

const HALF_MINUTE_MS = 30_000

/** So many probes in a row mean DOWN, on a path that loses none otherwise, and no fewer than in so long. */
const DOWN_RUN = 2
const DOWN_SECONDS = 0.8
/** Where probes are lost anyway a run means DOWN only when chance would hardly make it ... */
const CHANCE_OF_A_RUN = 1e-4
/** ... and this many always do. */
const LONGEST_DOWN_RUN = 10
/** On a link that a run of our own fills all may be lost to its queue for a while. */
const LOADED_DOWN_SECONDS = 5
/** Below this, loss does not make runs of two. */
const RARE_LOSS = 0.03
/** Fewer lost probes than this are an accident. */
const LOSSY_COUNT = 3

/** A path that was DOWN is UP again when it was clean for so long. */
const DOWN_HOLD_MS = 5_000
/** One that was LOSSY when, had the loss gone on, silence for so long had a chance of 1 in 10,000; within bounds. */
export const SILENT_LOSSES = Math.log(10_000)
const LEAST_LOSSY_HOLD_MS = 10_000
const LOSSY_HOLD_MS = 60_000
/** Both for twice as long each time it becomes bad again, up to this. */
const LONGEST_HOLD_MS = 600_000
/** In which the memory of having been bad fades to half. */
const FORGET_MS = 600_000

export const createPathHealth = (state = PathState.PATH_STATE_UNSPECIFIED as PathState): PathHealth => ({
  state,
  stateMs: 0,
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

const fade = (path: PathHealth, nowMs: number): number =>
  path.penalty === 0 ? 0 : path.penalty * 2 ** (-Math.max(0, nowMs - path.penaltyMs) / FORGET_MS)

/** How long a path must be clean: longer each time, so that one that flaps does not chatter. */
const holdMs = (path: PathHealth, nowMs: number, base: number): number =>
  Math.min(LONGEST_HOLD_MS, base * 2 ** Math.max(0, Math.round(fade(path, nowMs)) - 1))

const forget = (path: PathHealth): void => {
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

/** Probes of the last half to whole minute, without those lost while DOWN. */
export const evidenceOf = (path: PathHealth): { sentCount: number; lostCount: number } => ({
  sentCount: path.sentNow + path.sentBefore,
  lostCount: path.lostNow + path.lostBefore,
})

const runByChance = (path: PathHealth): number => {
  const lost = path.lostNow + path.lostBefore
  if (lost < LOSSY_COUNT) return DOWN_RUN
  const ratio = lost / (path.sentNow + path.sentBefore)
  if (ratio < RARE_LOSS) return DOWN_RUN
  if (ratio >= 1) return LONGEST_DOWN_RUN
  const run = Math.ceil(Math.log(CHANCE_OF_A_RUN) / Math.log(ratio))
  return Math.min(LONGEST_DOWN_RUN, Math.max(DOWN_RUN, run))
}

/** Probes lost in a row that mean DOWN. */
const downRun = (path: PathHealth, { isLoaded, intervalSeconds }: Circumstances): number =>
  Math.max(
    runByChance(path),
    // A path that is probed often loses many in what is no more than a hiccup.
    Math.ceil((isLoaded ? LOADED_DOWN_SECONDS : DOWN_SECONDS) / intervalSeconds),
  )

/** How long nothing may be lost before the loss is over, by how much is lost now. */
const quietOf = (path: PathHealth, intervalSeconds: number): number => {
  const { sentCount, lostCount } = evidenceOf(path)
  if (lostCount === 0) return path.quietMs
  const perSecond = lostCount / sentCount / intervalSeconds
  return Math.min(LOSSY_HOLD_MS, Math.max(LEAST_LOSSY_HOLD_MS, (1000 * SILENT_LOSSES) / perSecond))
}

const isLossy = (path: PathHealth): boolean => {
  const lost = path.lostNow + path.lostBefore
  if (lost < LOSSY_COUNT) return false
  return wilsonLower(lost, path.sentNow + path.sentBefore) > defaultThresholds.lossRatio
}

const enter = (path: PathHealth, state: PathState, timeMs: number, nowMs: number): Change => {
  const before = path.state
  const isWorse = state === PathState.PATH_STATE_DOWN || before !== PathState.PATH_STATE_DOWN
  if (state !== PathState.PATH_STATE_UP && isWorse) {
    path.penalty = fade(path, nowMs) + 1
    path.penaltyMs = nowMs
  }
  // The times of a path's changes follow each other, whatever evidence each rests on.
  path.stateMs = Math.max(timeMs, path.stateMs)
  path.state = state
  return { timeMs: path.stateMs, before, state }
}

const leaveDown = (path: PathHealth, { endMs }: Seen): Change | undefined => {
  const hold = holdMs(path, endMs, DOWN_HOLD_MS)
  const cleanMs = Math.max(path.answeredMs, path.lossMs)
  if (path.trailingLost === 0 && endMs - cleanMs >= hold) {
    return enter(path, PathState.PATH_STATE_UP, cleanMs, endMs)
  }
  if (endMs - path.answeredMs >= hold && isLossy(path)) {
    return enter(path, PathState.PATH_STATE_LOSSY, endMs, endMs)
  }
  return undefined
}

const leaveLossy = (path: PathHealth, nowMs: number): Change => {
  // What was lost before must not make it LOSSY anew.
  forget(path)
  return enter(path, PathState.PATH_STATE_UP, nowMs, nowMs)
}

const judge = (path: PathHealth, seen: Seen, circumstances: Circumstances): Change | undefined => {
  const { endMs } = seen
  const isDown = path.trailingLost >= downRun(path, circumstances)
  if (path.state === PathState.PATH_STATE_DOWN) {
    if (isDown) path.answeredMs = 0
    return path.answeredMs === 0 ? undefined : leaveDown(path, seen)
  }
  if (isDown) {
    path.answeredMs = 0
    forget(path)
    return enter(path, PathState.PATH_STATE_DOWN, path.runMs, endMs)
  }
  if (path.state === PathState.PATH_STATE_LOSSY) {
    const hold = holdMs(path, endMs, path.quietMs || LOSSY_HOLD_MS)
    const isClean = endMs - path.lossMs >= hold && endMs - path.stateMs >= hold
    return isClean ? leaveLossy(path, endMs) : undefined
  }
  if (isLossy(path)) return enter(path, PathState.PATH_STATE_LOSSY, endMs, endMs)
  if (path.state === PathState.PATH_STATE_UNSPECIFIED && seen.receivedCount > 0) {
    path.state = PathState.PATH_STATE_UP
    path.stateMs = seen.startMs
  }
  return undefined
}

/**
 * What a window makes of a path, in the time of the measurement: windows that come late say what was so then. One that
 * is not later than what was seen already says nothing.
 * @param trailing probes lost in a row up to the end of the window, those of earlier windows counted in
 * @returns the change of state, and the lost probes that an answer has since shown to be mere loss
 */
export const advance = (
  path: PathHealth,
  seen: Seen,
  trailing: number,
  circumstances: Circumstances,
): { change: Change | undefined; creditedLost: number } => {
  if (seen.endMs <= path.lastEndMs) return { change: undefined, creditedLost: 0 }
  const lost = seen.sentCount - seen.receivedCount
  const isDown = path.state === PathState.PATH_STATE_DOWN
  const isFirstAnswer = isDown && path.answeredMs === 0 && seen.receivedCount > 0
  if (isFirstAnswer) path.answeredMs = seen.endMs
  // Lost probes wait for an answer: until then they may be the beginning of DOWN, and afterwards the end of it.
  const isEvidence = !isFirstAnswer && !circumstances.isLoaded
  const creditedLost = isEvidence ? Math.max(0, path.trailingLost + lost - trailing) : 0
  if (trailing > 0 && (path.trailingLost === 0 || seen.receivedCount > 0)) path.runMs = seen.endMs
  if (lost > 0) path.lossMs = seen.endMs
  path.trailingLost = trailing
  path.lastEndMs = seen.endMs
  if (!isDown || path.answeredMs !== 0) {
    addEvidence(path, seen.endMs, seen.receivedCount + creditedLost, creditedLost)
    if (creditedLost > 0) path.quietMs = quietOf(path, circumstances.intervalSeconds)
  }
  const change = judge(path, seen, circumstances)
  return { change, creditedLost: path.state === PathState.PATH_STATE_DOWN ? 0 : creditedLost }
}

/**
 * Its interface has been shown to lose nothing any more, by all its paths together: that says more than this one can.
 * @param sinceMs nothing was lost since
 */
export const clearWithInterface = (path: PathHealth, sinceMs: number, nowMs: number): Change | undefined =>
  path.state === PathState.PATH_STATE_LOSSY && path.trailingLost === 0 && path.lossMs <= sinceMs
    ? leaveLossy(path, nowMs)
    : undefined
