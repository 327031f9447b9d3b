import { afterEach, expect, test } from 'vitest'
import { createFakeClock } from '../../../lib/testing/fake-clock.ts'
import { CallSupervisor } from './call-supervisor.ts'

/** A call that the supervisor has opened. */
type OpenedCall = { flows: readonly number[]; onStarted: () => void; end: () => void; signal: AbortSignal }

let stop = new AbortController()
afterEach(() => {
  stop.abort()
  stop = new AbortController()
})

const setUp = (flows: readonly number[], isReady: (flow: number) => boolean = () => true) => {
  const { clock, pass, settle } = createFakeClock()
  const opened: OpenedCall[] = []
  const supervisor = new CallSupervisor(
    { clock, random: () => 1 },
    {
      flows,
      isReady,
      call: (some, onStarted, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve())
          opened.push({ flows: some, onStarted, end: resolve, signal })
        }),
      signal: stop.signal,
    },
  )
  return { pass, settle, opened, supervisor }
}

test('opens one call for all flows, and opens it again after pauses that grow', async () => {
  const { pass, settle, opened } = setUp([1, 2, 3])
  expect(opened.map(({ flows }) => flows)).toEqual([[1, 2, 3]])
  opened[0]!.end()
  await settle()
  expect(opened).toHaveLength(1)
  await pass(0.5)
  expect(opened.map(({ flows }) => flows)).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
  opened[1]!.end()
  await pass(0.6)
  expect(opened).toHaveLength(2)
  await pass(0.5)
  expect(opened).toHaveLength(3)
})

test('waits longer each time a call ends immediately, until a call lasts', async () => {
  const { pass, settle, opened } = setUp([1])
  for (let second = 0; second < 600; second++) {
    opened.at(-1)!.onStarted()
    opened.at(-1)!.end()
    await pass(1)
  }
  // Every 5 s after the first calls.
  expect(opened.length).toBeLessThan(130)
  await pass(10)
  const before = opened.length
  await pass(11)
  opened.at(-1)!.end()
  await settle()
  await pass(0.5)
  expect(opened).toHaveLength(before + 1)
})

test('opens another call for flows that become ready later', async () => {
  const ready = new Set([1])
  const { settle, opened, supervisor } = setUp([1, 2, 3], (flow) => ready.has(flow))
  ready.add(3)
  supervisor.wake()
  await settle()
  expect(opened.map(({ flows }) => flows)).toEqual([[1], [3]])
  expect(opened[0]!.signal.aborted).toBe(false)
})

test('reopening a flow ends only the call that contains it', async () => {
  const ready = new Set([1])
  const { pass, settle, opened, supervisor } = setUp([1, 2], (flow) => ready.has(flow))
  ready.add(2)
  supervisor.wake()
  await settle()
  supervisor.reopen(2)
  await settle()
  expect(opened.map(({ signal }) => signal.aborted)).toEqual([false, true])
  await pass(1)
  expect(opened.at(-1)!.flows).toEqual([2])
})

test('is settled when the first call works, has failed, or when no flow is ready', async () => {
  const isSettled = async ({ supervisor, settle }: ReturnType<typeof setUp>) => {
    let is = false
    void supervisor.settled.then(() => {
      is = true
    })
    await settle()
    return is
  }
  const working = setUp([1])
  expect(await isSettled(working)).toBe(false)
  working.opened[0]!.onStarted()
  expect(await isSettled(working)).toBe(true)
  const failing = setUp([1])
  failing.opened[0]!.end()
  expect(await isSettled(failing)).toBe(true)
  expect(await isSettled(setUp([1], () => false))).toBe(true)
})
