import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { merge } from './merge.ts'

const never = new AbortController().signal
const collect = async <T>(source: AsyncIterable<T>) => {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

async function* counting(name: string, count: number) {
  for (let value = 0; value < count; value++) yield `${name}${value}`
}

test('returns all values; those of one source in their order', async () => {
  const all = await collect(merge(() => [counting('a', 5), counting('b', 3), counting('c', 0)], never))
  expect(all.filter((value) => value.startsWith('a'))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  expect(all.filter((value) => value.startsWith('b'))).toEqual(['b0', 'b1', 'b2'])
  expect(all).toHaveLength(8)
})

test('a waiting source does not delay others', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  async function* waiting() {
    await promise
    yield 'late'
  }
  const all: string[] = []
  for await (const value of merge(() => [waiting(), counting('a', 3)], never)) {
    all.push(value)
    if (value === 'a2') resolve()
  }
  expect(all).toEqual(['a0', 'a1', 'a2', 'late'])
})

test('sources do not run ahead of a slow reader', async () => {
  let given = 0
  async function* eager() {
    for (;;) yield given++
  }
  for await (const value of merge(() => [eager()], never)) {
    await systemClock.sleep(0.001)
    expect(given - value).toBeLessThanOrEqual(2)
    if (value === 10) break
  }
})

const untilAborted = (signal: AbortSignal, ended: string[], name: string) =>
  (async function* () {
    try {
      yield name
      await systemClock.sleep(1000, signal)
    } finally {
      ended.push(name)
    }
  })()

test('the failure of one source ends all', async () => {
  const ended: string[] = []
  async function* failing() {
    yield 'f'
    throw new Error('broken')
  }
  const merged = merge((signal) => [untilAborted(signal, ended, 'a'), failing()], never)
  await expect(collect(merged)).rejects.toThrow('broken')
  expect(ended).toEqual(['a'])
})

test('a reader that stops ends all sources', async () => {
  const ended: string[] = []
  const start = (signal: AbortSignal) => [untilAborted(signal, ended, 'a'), untilAborted(signal, ended, 'b')]
  for await (const _ of merge(start, never)) break
  expect(ended.toSorted()).toEqual(['a', 'b'])
})

test('aborting throws the reason of the caller', async () => {
  const controller = new AbortController()
  const ended: string[] = []
  const run = async () => {
    for await (const _ of merge((signal) => [untilAborted(signal, ended, 'a')], controller.signal)) {
      controller.abort(new Error('enough'))
    }
  }
  await expect(run()).rejects.toThrow('enough')
  expect(ended).toEqual(['a'])
})
