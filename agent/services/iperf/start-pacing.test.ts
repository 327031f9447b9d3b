import { expect, test } from 'vitest'
import { createFakeClock } from '../../../lib/testing/fake-clock.ts'
import { type PacedStart, StartPacer } from './start-pacing.ts'

const never = new AbortController().signal

const acquired = async (fake: ReturnType<typeof createFakeClock>, pacer: StartPacer, wanted: number) => {
  const starts: PacedStart[] = []
  for (let i = 0; i < wanted; i++) void pacer.start(never).then((start) => starts.push(start))
  await fake.pass(wanted * 0.005 + 0.01)
  return starts
}

test('few programs start at first, twice as many once they work', async () => {
  const fake = createFakeClock()
  const starts = await acquired(fake, new StartPacer(fake), 100)
  expect(starts).toHaveLength(8)
  for (const start of starts.slice(0, 8)) start.end('works')
  await fake.pass(1)
  expect(starts).toHaveLength(8 + 16)
})

test('late programs halve the number once for each overload, and double the time to start', async () => {
  const fake = createFakeClock()
  const starts = await acquired(fake, new StartPacer(fake), 100)
  await fake.pass(3)
  for (const start of starts.slice(0, 8)) start.end('late')
  await fake.pass(1)
  expect(starts).toHaveLength(8 + 4)
  expect(starts.map(({ timeoutSeconds }) => timeoutSeconds).slice(6)).toEqual([3, 3, 6, 6, 6, 6])
})

test('a program that ends for another reason changes nothing', async () => {
  const fake = createFakeClock()
  const starts = await acquired(fake, new StartPacer(fake), 100)
  for (const start of starts.slice(0, 8)) start.end('ended')
  // A second report has no effect.
  for (const start of starts.slice(0, 8)) start.end('works')
  await fake.pass(1)
  expect(starts).toHaveLength(16)
})

test('a caller that stops waiting leaves no gap', async () => {
  const fake = createFakeClock()
  const pacer = new StartPacer(fake)
  const starts = await acquired(fake, pacer, 8)
  const stop = new AbortController()
  const waiting = pacer.start(stop.signal)
  stop.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
  void pacer.start(never).then((start) => starts.push(start))
  starts[0]!.end('ended')
  await fake.pass(1)
  expect(starts).toHaveLength(9)
  await expect(pacer.start(AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
})

/**
 * A machine whose agents share one processor. A start needs `workSeconds` of it; what a late program used is lost.
 * @returns the number of starts until every program works, or undefined when that takes more than `limitSeconds`
 */
const startAll = async (agents: number, programs: number, workSeconds: number, limitSeconds: number) => {
  const fake = createFakeClock()
  const running = new Set<{ leftSeconds: number; deadline: number; start: PacedStart; retry: () => void }>()
  let startCount = 0
  let workingCount = 0
  const startOne = async (pacer: StartPacer): Promise<void> => {
    const start = await pacer.start(never)
    startCount++
    running.add({
      leftSeconds: workSeconds,
      deadline: fake.clock.monotonicSeconds() + start.timeoutSeconds,
      start,
      retry: () => void startOne(pacer),
    })
  }
  for (let agent = 0; agent < agents; agent++) {
    const pacer = new StartPacer(fake)
    for (let program = 0; program < programs; program++) void startOne(pacer)
  }
  const stepSeconds = 0.25
  for (let seconds = 0; seconds < limitSeconds; seconds += stepSeconds) {
    await fake.pass(stepSeconds, stepSeconds)
    const share = stepSeconds / Math.max(1, running.size)
    for (const program of running) {
      program.leftSeconds -= share
      if (program.leftSeconds <= 0) workingCount++
      else if (fake.clock.monotonicSeconds() < program.deadline) continue
      running.delete(program)
      program.start.end(program.leftSeconds <= 0 ? 'works' : 'late')
      if (program.leftSeconds > 0) program.retry()
    }
    if (workingCount === agents * programs) return { startCount, seconds }
  }
  return undefined
}

test.each([
  [10, 50, 0.05],
  [20, 50, 0.1],
  [20, 30, 0.3],
])('an overload converges: %i agents with %i programs of %f s', async (agents, programs, workSeconds) => {
  // Started all at once, each of these programs would take longer than any timeout.
  const idealSeconds = agents * programs * workSeconds
  const done = await startAll(agents, programs, workSeconds, 5 * idealSeconds)
  expect(done).toBeDefined()
  expect(done!.startCount).toBeLessThan(1.5 * agents * programs)
  expect(done!.seconds).toBeLessThan(2 * idealSeconds)
})
