/**
 * How much a group of paths has lost since its fault began. A mean over the last minute would show 20 % as 2.7 % eight
 * seconds after it began. Times are mesh time.
 */

import type { MeshPath } from './paths.ts'

const MINUTE_MS = 60_000
/** Maximum number of windows in memory. Beyond it a fleet is lossy as a whole, and no figure is given. */
const MAX_WINDOWS = 50_000
/** A lost probe is reported at most this time after it is known: an early close and a flush (agent/mesh/windows.ts). */
const REPORT_MS = 1_000
/** A beginning within the minute explains the losses better than a steady loss by this log-likelihood ratio. */
const MIN_GAIN = 6
/** A known beginning is replaced by a later one only on stronger evidence, because it is tested each second. */
const MIN_GAIN_AGAIN = 15
/** A beginning that was not asked for within this time is forgotten. */
const FORGET_MS = 30_000

type Counted = { startMs: number; endMs: number; sentCount: number; lostCount: number }
type GroupPath = Pick<MeshPath, 'id' | 'intervalSeconds'> & {
  readonly health: Pick<MeshPath['health'], 'firstMs'>
}

/** Probes of a group of paths and how many of them were lost, between two times. */
export type LossSince = {
  fromMs: number
  toMs: number
  sentCount: number
  lostCount: number
  /** When the fault began, as far as it was observed. Earlier than `fromMs` after more than a minute. */
  sinceMs: number
}

/** Returns the log-likelihood of `count` Poisson events within a time, at the rate that explains them best. */
const logLikelihood = (count: number, timeMs: number): number =>
  count === 0 || timeMs <= 0 ? 0 : count * Math.log(count / timeMs)

/**
 * Returns when the loss rate rose: the lost probe from which on a higher rate explains the losses best (maximum
 * likelihood of one change of a Poisson rate). Undefined when a steady rate explains them.
 */
const findBeginning = (
  lost: readonly Counted[],
  fromMs: number,
  toMs: number,
  minGain: number,
): number | undefined => {
  const all = lost.reduce((sum, { lostCount }) => sum + lostCount, 0)
  const steady = logLikelihood(all, toMs - fromMs)
  let [before, best, beginMs] = [0, minGain, undefined as number | undefined]
  for (const { endMs, lostCount } of lost) {
    const after = all - before
    const [timeBefore, timeAfter] = [endMs - fromMs, Math.max(1, toMs - endMs)]
    const gain = logLikelihood(before, timeBefore) + logLikelihood(after, timeAfter) - steady
    if (gain > best && after * Math.max(1, timeBefore) > before * timeAfter) {
      best = gain
      beginMs = endMs
    }
    before += lostCount
  }
  return beginMs
}

/** The windows of the last minute of all paths that have lost probes in it. */
class LossRecord {
  readonly #byPath = new Map<number, Counted[]>()
  readonly #beginnings = new Map<string, { sinceMs: number; askedMs: number }>()
  #windowCount = 0

  /** Adds a window. Windows without loss count only for paths that have lost a probe before. */
  add(path: number, window: Counted): void {
    const known = this.#byPath.get(path)
    if ((!known && window.sentCount === 0) || this.#windowCount >= MAX_WINDOWS) return
    if (!known && window.lostCount === 0) return
    const { startMs, endMs, sentCount, lostCount } = window
    const counted = { startMs, endMs, sentCount, lostCount }
    this.#windowCount++
    if (known) known.push(counted)
    else this.#byPath.set(path, [counted])
  }

  /** Deletes what is older than a minute. Call it about every second. */
  deleteOld(nowMs: number): void {
    for (const [path, windows] of this.#byPath) {
      const kept = windows.filter(({ endMs }) => nowMs - endMs <= MINUTE_MS)
      this.#windowCount -= windows.length - kept.length
      if (kept.some(({ lostCount }) => lostCount > 0)) this.#byPath.set(path, kept)
      else {
        this.#windowCount -= kept.length
        this.#byPath.delete(path)
      }
    }
    for (const [subject, { askedMs }] of this.#beginnings)
      if (nowMs - askedMs > FORGET_MS) this.#beginnings.delete(subject)
  }

  /**
   * Returns what the paths have lost since their fault began, at most in the last minute; undefined without loss.
   * @param subject names the group of paths, so that the beginning of its fault is remembered
   */
  since(subject: string, paths: readonly GroupPath[], nowMs: number): LossSince | undefined {
    if (this.#windowCount >= MAX_WINDOWS || paths.length === 0) return undefined
    const toMs = nowMs - REPORT_MS
    const firstMs = paths.reduce((first, { health }) => Math.min(first, health.firstMs), toMs)
    const horizonMs = Math.max(nowMs - MINUTE_MS, firstMs)
    const lost = paths
      .flatMap(({ id }) => this.#byPath.get(id) ?? [])
      .filter(({ lostCount, endMs }) => lostCount > 0 && endMs > horizonMs)
      .sort((one, other) => one.endMs - other.endMs)
    if (lost.length === 0) return undefined
    const known = this.#beginnings.get(subject)
    const found = findBeginning(lost, horizonMs, nowMs, known ? MIN_GAIN_AGAIN : MIN_GAIN)
    const sinceMs = found ?? known?.sinceMs ?? horizonMs
    this.#beginnings.set(subject, { sinceMs, askedMs: nowMs })
    const fromMs = Math.max(sinceMs, horizonMs)
    const counts = { sentCount: 0, lostCount: 0 }
    for (const path of paths) this.#count(counts, path, fromMs, toMs)
    // The time begins with a lost probe because it was lost: without it the ratio has no bias.
    const chosen = sinceMs > horizonMs ? Math.min(1, counts.lostCount) : 0
    const lostCount = counts.lostCount - chosen
    const sentCount = Math.max(1, lostCount, Math.round(counts.sentCount) - chosen)
    return { fromMs, toMs: nowMs, sinceMs, sentCount, lostCount }
  }

  /** Adds the probes of one path. Times that no window covers yet are without loss, because losses are reported at once. */
  #count(
    counts: { sentCount: number; lostCount: number },
    { id, intervalSeconds }: GroupPath,
    fromMs: number,
    toMs: number,
  ): void {
    let reportedMs = fromMs
    for (const { startMs, endMs, sentCount, lostCount } of this.#byPath.get(id) ?? []) {
      if (endMs < fromMs) continue
      const missingMs = Math.max(0, startMs - reportedMs)
      const inside = endMs > startMs ? (endMs - Math.max(startMs, fromMs)) / (endMs - startMs) : 1
      counts.sentCount += missingMs / 1000 / intervalSeconds + Math.max(lostCount, inside * sentCount)
      counts.lostCount += lostCount
      reportedMs = endMs
    }
    counts.sentCount += Math.max(0, toMs - reportedMs) / 1000 / intervalSeconds
  }
}

export type { LossRecord }

/** Returns an empty record. */
export const createLossRecord = (): LossRecord => new LossRecord()
