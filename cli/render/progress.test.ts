import { expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { runOf } from '../fixtures/runs.ts'
import { noPaint } from './paint.ts'
import { createProgress } from './progress.ts'

const clockAt = (state: { seconds: number }): Clock => ({
  now: () => new Date(0),
  monotonicSeconds: () => state.seconds,
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  // The tests move time themselves.
  sleep: (_seconds, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
})

const runAt = (doneCount: number, round: number, measuredCount = doneCount) =>
  runOf(RunState.RUN_STATE_RUNNING, {
    progress: { doneCount, measuredCount, pairCount: 1000, round, remaining: toDuration(61.2) },
  })

const setUp = (isTTY: boolean) => {
  const time = { seconds: 0 }
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text), isTTY, columns: isTTY ? 100 : undefined }
  return { time, written, progress: createProgress({ stream, paint: noPaint, clock: clockAt(time) }) }
}

test('without a terminal there is a line now and then, not one for each pair', () => {
  const { time, written, progress } = setUp(false)
  for (let done = 0; done <= 1000; done++) {
    time.seconds = done / 100
    progress.update(runAt(done, 1 + Math.floor(done / 400)))
  }
  progress.end()
  expect(written[0]).toBe('iperf mesh: round 1 of 3, 0 of 1,000 pairs, 61 s left\n')
  expect(written.length).toBeGreaterThan(5)
  expect(written.length).toBeLessThanOrEqual(11)
})

test('without a terminal a slow run still gives a sign of life', () => {
  const { time, written, progress } = setUp(false)
  for (let second = 0; second <= 20; second++) {
    time.seconds = second
    progress.update(runAt(second, 1, second - 1))
  }
  expect(written.length).toBe(5)
  expect(written.at(-1)).toBe('iperf mesh: round 1 of 3, 20 of 1,000 pairs, 1 without a value, 61 s left\n')
})

test('a terminal has one line with a bar, which is taken away at the end', () => {
  const { written, progress } = setUp(true)
  progress.update(runAt(600, 2))
  expect(written.at(-1)).toBe(
    '  ◐ iperf mesh   round 2 of 3  ▓▓▓▓▓▓▓▓▓▓░░░░░░░  600 of 1,000 pairs, 61 s left',
  )
  progress.end()
  expect(written.at(-1)).toBe('\r\u001b[K')
})

test('a run that waits says so', () => {
  const { written, progress } = setUp(false)
  progress.update(runOf(RunState.RUN_STATE_PENDING))
  expect(written).toEqual(['iperf mesh: waiting for another run on these interfaces\n'])
})
