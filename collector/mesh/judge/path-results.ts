import { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { createPairResult, type PairResult } from '../../dispatch/pair-result.ts'
import { evidenceOf } from '../state/path-state.ts'
import type { MeasuredPath, MeshPath, Paths } from '../state/paths.ts'
import { isDead } from './lossy-verdicts.ts'

/**
 * Attempts that the diagnosis sees for a bad path: its state rests on many probes, so it counts as retested. A path that
 * is UP counts as tried once: with more it would look as if it had been bad and recovered, and no link could be named.
 */
const BAD_PATH_ATTEMPTS = 3

const EMPTY_STATISTICS = PingStatistics.fromPartial({})

const countsOf = ({ path: { health }, state }: MeasuredPath) => {
  // On a DOWN path the unanswered probes in a row are evidence too.
  const unanswered = state === PathState.PATH_STATE_DOWN ? health.trailingLost : 0
  const { sentCount, lostCount } = evidenceOf(health)
  return { sentCount: sentCount + unanswered, lostCount: lostCount + unanswered }
}

/** What a path shows now. The address, the reason and the state complete its result. */
type Figures = { isDown: boolean; sentCount: number; receivedCount: number; meanSeconds: number | undefined }

/**
 * A probe travels both ways, so both paths of a pair measure the same, and a difference between them is chance and not
 * a direction: each gets half of their common loss.
 */
const figuresOf = (
  measured: MeasuredPath,
  back: MeasuredPath | undefined,
  recent: Paths['recent'],
  nowMs: number,
): Figures => {
  const { path, isLoaded } = measured
  if (isDead(measured)) {
    const sentCount = Math.max(1, path.health.trailingLost)
    return { isDown: true, sentCount, receivedCount: 0, meanSeconds: undefined }
  }
  const own = countsOf(measured)
  const other = back && !isDead(back) ? countsOf(back) : own
  const sentCount = (own.sentCount + other.sentCount) / 2
  const lostCount = (own.lostCount + other.lostCount) / 2
  const meanSeconds = isLoaded ? undefined : recent.countsOf(path.row, nowMs).meanSeconds
  return { isDown: false, sentCount, receivedCount: sentCount - lostCount, meanSeconds }
}

const resultOf = ({ path, state }: MeasuredPath, figures: Figures): PairResult => {
  const { isDown, sentCount, receivedCount, meanSeconds } = figures
  const time = toDuration(meanSeconds ?? 0)
  return createPairResult({
    source: path.source,
    destination: path.destination,
    outcome: isDown ? Outcome.OUTCOME_UNREACHABLE : Outcome.OUTCOME_MEASURED,
    reason: path.reason,
    values: {
      kind: 'ping',
      ...EMPTY_STATISTICS,
      sentCount,
      receivedCount,
      lossRatio: sentCount === 0 ? 0 : (sentCount - receivedCount) / sentCount,
      rtt:
        meanSeconds === undefined
          ? undefined
          : { min: time, avg: time, p50: time, p99: time, max: time, jitter: undefined },
    },
    // One slow probe within a minute raises the mean, so a path that is only slow must not count as retested.
    attemptCount: state === PathState.PATH_STATE_UP ? 1 : BAD_PATH_ATTEMPTS,
  })
}

type Known = { path: MeshPath; state: PathState; figures: Figures; result: PairResult }

const isCurrent = (known: Known, { path, state }: MeasuredPath, figures: Figures): boolean =>
  known.path === path &&
  known.state === state &&
  known.result.destination === path.destination &&
  known.result.reason === path.reason &&
  known.figures.isDown === figures.isDown &&
  known.figures.sentCount === figures.sentCount &&
  known.figures.receivedCount === figures.receivedCount &&
  known.figures.meanSeconds === figures.meanSeconds

/** Returns paths as results of a run, for the diagnosis. A result is created again only when its path has changed. */
export const createPathResults = (recent: Paths['recent']) => {
  /** By the row of the path, which another path can have later. */
  const byRow: (Known | undefined)[] = []
  return {
    of: (measured: MeasuredPath, back: MeasuredPath | undefined, nowMs: number): PairResult => {
      const { path, state } = measured
      const figures = figuresOf(measured, back, recent, nowMs)
      const known = byRow[path.row]
      if (known && isCurrent(known, measured, figures)) return known.result
      const result = resultOf(measured, figures)
      byRow[path.row] = { path, state, figures, result }
      return result
    },
  }
}

export type PathResults = ReturnType<typeof createPathResults>
