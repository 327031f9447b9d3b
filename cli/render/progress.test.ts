import { expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { runOf } from '../testing/run-samples.ts'
import { createScreen } from '../testing/screen.ts'
import { noPaint } from './paint.ts'
import { createProgress } from './progress.ts'

const clockAt = (state: { seconds: number }): Clock => ({
  now: () => new Date(0),
  monotonicSeconds: () => state.seconds,
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  // The tests advance the time.
  sleep: (_seconds, signal) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
})

const runAt = (doneCount: number, measuredCount = doneCount) =>
  runOf(RunState.RUN_STATE_RUNNING, {
    progress: { doneCount, measuredCount, pairCount: 1000, round: 1, remaining: toDuration(61.2) },
  })

const setUp = () => {
  const time = { seconds: 0 }
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text), isTTY: false, columns: undefined }
  return { time, written, progress: createProgress({ stream, paint: noPaint, clock: clockAt(time) }) }
}

test('a log gets a line at intervals, not one for each pair', () => {
  const { time, written, progress } = setUp()
  for (let done = 0; done <= 1000; done++) {
    time.seconds = done / 100
    progress.update(runAt(done))
  }
  progress.end()
  expect(written[0]).toBe('iperf mesh: 0 of 1,000 pairs, 61 s left\n')
  expect(written.length).toBeGreaterThan(5)
  expect(written.length).toBeLessThanOrEqual(11)
})

test('a log gets a line of a slow run at least every 5 s', () => {
  const { time, written, progress } = setUp()
  for (let second = 0; second <= 20; second++) {
    time.seconds = second
    progress.update(runAt(second, second - 1))
  }
  expect(written.length).toBe(5)
  expect(written.at(-1)).toBe('iperf mesh: 20 of 1,000 pairs, 1 without a value, 61 s left\n')
})

test('a terminal has one line with a bar, which is removed at the end', () => {
  const screen = createScreen(100)
  const progress = createProgress({ stream: screen, paint: noPaint, clock: clockAt({ seconds: 0 }) })
  progress.update(runAt(600))
  expect(screen.text()).toBe('  ◐ iperf mesh   ▓▓▓▓▓▓▓▓▓▓░░░░░░░  600 of 1,000 pairs, 61 s left')
  progress.end()
  expect(screen.text()).toBe('')
})

test('a terminal of 60 columns shows all of it, and only the notes at the end', () => {
  const screen = createScreen(60)
  const progress = createProgress({ stream: screen, paint: noPaint, clock: clockAt({ seconds: 0 }) })
  for (const done of [0, 300, 600]) progress.update(runAt(done, done / 2))
  progress.note('n4 does not answer')
  expect(screen.text()).toBe(
    'n4 does not answer\n  ◒ iperf mesh   ▓▓▓▓▓▓▓▓▓▓░░░░░░░  600 of 1,000 pairs, 300\nwithout a value, 61 s left',
  )
  progress.end()
  expect(screen.text()).toBe('n4 does not answer')
})

test('the line of a pending run says that it is waiting', () => {
  const { written, progress } = setUp()
  progress.update(runOf(RunState.RUN_STATE_PENDING))
  expect(written).toEqual(['iperf mesh: waiting for another run on these interfaces\n'])
})
