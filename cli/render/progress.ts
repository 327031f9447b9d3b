/** Shows the progress of a run: one changing line in a terminal, a line every few seconds in a log. */

import { type Run, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { formatCount, formatDuration } from '../../lib/units.ts'
import type { OutputStream } from '../terminal.ts'
import { runTest, runTopology } from './enum-words.ts'
import { type Paint, sanitize } from './paint.ts'
import { createStatusLine } from './status-line.ts'

const BAR_WIDTH = 17
const SPINNER = ['◐', '◓', '◑', '◒']
const TICK_SECONDS = 0.25

/** In a log: seconds between two lines, or at least 1 s if another tenth of the pairs is done. */
const PLAIN_SECONDS = 5
const PLAIN_MIN_SECONDS = 1
const PLAIN_SHARE = 0.1

export type Progress = {
  update(run: Run): void
  /** Prints a line above the progress line. */
  note(text: string): void
  /** Removes the progress line. */
  end(): void
}

export type ProgressDeps = { stream: OutputStream; paint: Paint; clock: Clock }

const progressTitle = (run: Run): string => `${runTest(run)} ${runTopology(run)}`

const remainingText = (run: Run, passedSeconds: number): string => {
  const remaining = fromDuration(run.progress?.remaining)
  if (remaining === undefined) return ''
  const left = Math.max(0, remaining - passedSeconds)
  return `, ${left < 1 ? 'a moment' : left < 120 ? `${Math.round(left)} s` : formatDuration(left)} left`
}

/**
 * `18 of 30 pairs, 6 s left`. Rounds are not shown: they overlap, because a pair starts when its nodes are free.
 * `passedSeconds` is the age of the run's state.
 */
const progressText = (run: Run, passedSeconds: number): string => {
  if (run.state === RunState.RUN_STATE_PENDING) return 'waiting for another run on these interfaces'
  const { doneCount = 0, pairCount = 0, measuredCount = 0 } = run.progress ?? {}
  const failed = doneCount - measuredCount
  const failures = failed > 0 ? `, ${formatCount(failed)} without a value` : ''
  const pairs = `${formatCount(doneCount)} of ${formatCount(pairCount)} pairs${failures}`
  return `${pairs}${remainingText(run, passedSeconds)}`
}

const shareOf = (run: Run): number =>
  (run.progress?.doneCount ?? 0) / Math.max(1, run.progress?.pairCount ?? 0)

const renderBar = (share: number): string => {
  const full = Math.round(share * BAR_WIDTH)
  return '▓'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
}

const createLiveProgress = ({ stream, paint, clock }: ProgressDeps): Progress => {
  const ended = new AbortController()
  let latest: { run: Run; at: number } | undefined
  let frame = 0
  const line = createStatusLine(stream)
  const draw = () => {
    if (!latest) return
    const passed = clock.monotonicSeconds() - latest.at
    const text = `${renderBar(shareOf(latest.run))}  ${progressText(latest.run, passed)}`
    line.show(`  ${paint('cyan', SPINNER[frame++ % SPINNER.length]!)} ${progressTitle(latest.run)}   ${text}`)
  }
  const tick = async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(TICK_SECONDS, ended.signal)
      draw()
    }
  }
  tick().catch((error: unknown) => {
    if (!ended.signal.aborted) throw error
  })
  return {
    update: (run) => {
      latest = { run, at: clock.monotonicSeconds() }
      draw()
    },
    note: (text) => {
      line.clear()
      stream.write(`${sanitize(text)}\n`)
      draw()
    },
    end: () => {
      ended.abort()
      line.clear()
    },
  }
}

const createPlainProgress = ({ stream, clock }: ProgressDeps): Progress => {
  let said: { at: number; share: number } | undefined
  return {
    update: (run) => {
      const share = shareOf(run)
      const passed = said ? clock.monotonicSeconds() - said.at : Number.POSITIVE_INFINITY
      const enough = said !== undefined && share - said.share >= PLAIN_SHARE && passed >= PLAIN_MIN_SECONDS
      if (said && passed < PLAIN_SECONDS && !enough) return
      said = { at: clock.monotonicSeconds(), share }
      stream.write(`${progressTitle(run)}: ${progressText(run, 0)}\n`)
    },
    note: (text) => stream.write(`${sanitize(text)}\n`),
    end: () => undefined,
  }
}

export const createProgress = (deps: ProgressDeps): Progress =>
  deps.stream.isTTY ? createLiveProgress(deps) : createPlainProgress(deps)
