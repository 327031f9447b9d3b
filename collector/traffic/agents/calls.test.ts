import { afterEach, expect, test } from 'vitest'
import { createCalls } from './calls.ts'

/** Time that stands still; sleeps end when the test says so. */
const stillClock = () => {
  let now = 0
  const sleepers = new Set<{ at: number; wake: () => void }>()
  return {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
    sleep: (seconds: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { at: now + seconds, wake: resolve }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          reject(signal.reason)
        })
      }),
    async advance(seconds: number) {
      now += seconds
      for (const sleeper of [...sleepers]) {
        if (sleeper.at > now) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
      await settle()
    },
  }
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

type Opened = { flows: readonly number[]; begun: () => void; end: () => void; signal: AbortSignal }
let stop = new AbortController()
afterEach(() => {
  stop.abort()
  stop = new AbortController()
})

const setUp = (flows: readonly number[], isDue: (flow: number) => boolean = () => true) => {
  const clock = stillClock()
  const opened: Opened[] = []
  const calls = createCalls(
    { clock, random: () => 1 },
    {
      flows,
      isDue,
      call: (some, begun, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve())
          opened.push({ flows: some, begun, end: resolve, signal })
        }),
    },
    stop.signal,
  )
  return { clock, opened, calls }
}

test('one call for all flows; when it is lost, one call for all again, after a pause that grows', async () => {
  const { clock, opened } = setUp([1, 2, 3])
  expect(opened.map(({ flows }) => flows)).toEqual([[1, 2, 3]])
  opened[0]!.end()
  await settle()
  expect(opened).toHaveLength(1)
  await clock.advance(0.5)
  expect(opened.map(({ flows }) => flows)).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
  opened[1]!.end()
  await settle()
  await clock.advance(0.6)
  expect(opened).toHaveLength(2)
  await clock.advance(0.5)
  expect(opened).toHaveLength(3)
})

test('a call that begins and ends at once is opened less and less often, until one has lasted', async () => {
  const { clock, opened } = setUp([1])
  for (let second = 0; second < 600; second++) {
    opened.at(-1)!.begun()
    opened.at(-1)!.end()
    await settle()
    await clock.advance(0.5)
    await clock.advance(0.5)
  }
  // After the first seconds every five.
  expect(opened.length).toBeLessThan(130)
  await clock.advance(10)
  const before = opened.length
  await clock.advance(11)
  opened.at(-1)!.end()
  await settle()
  await clock.advance(0.5)
  expect(opened).toHaveLength(before + 1)
})

test('flows that become due later get a call of their own; the others go on', async () => {
  const due = new Set([1])
  const { opened, calls } = setUp([1, 2, 3], (flow) => due.has(flow))
  due.add(3)
  calls.wake()
  await settle()
  expect(opened.map(({ flows }) => flows)).toEqual([[1], [3]])
  expect(opened[0]!.signal.aborted).toBe(false)
})

test('reopening a flow ends the call that it is in, and that one only', async () => {
  const due = new Set([1])
  const { clock, opened, calls } = setUp([1, 2], (flow) => due.has(flow))
  due.add(2)
  calls.wake()
  await settle()
  calls.reopen(2)
  await settle()
  expect(opened.map(({ signal }) => signal.aborted)).toEqual([false, true])
  await clock.advance(1)
  expect(opened.at(-1)!.flows).toEqual([2])
})

test('it is settled when the first call works, has failed, or there is nothing to call for', async () => {
  const settled = async ({ calls }: ReturnType<typeof setUp>) => {
    let is = false
    void calls.settled.then(() => {
      is = true
    })
    await settle()
    return is
  }
  const working = setUp([1])
  expect(await settled(working)).toBe(false)
  working.opened[0]!.begun()
  expect(await settled(working)).toBe(true)
  const failing = setUp([1])
  failing.opened[0]!.end()
  expect(await settled(failing)).toBe(true)
  expect(await settled(setUp([1], () => false))).toBe(true)
})
