import { pino } from 'pino'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { createGuard, type GuardProcess } from './process-guard.ts'

/** Guards whose confirmation and end the test decides. */
const createFakeGuards = () => {
  const guards: { written: string[]; confirm(): void; die(): void }[] = []
  const start = (): GuardProcess => {
    const written: string[] = []
    const confirmed = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    guards.push({ written, confirm: confirmed.resolve, die: ended.resolve })
    return {
      write: (text) => void written.push(text),
      end: ended.resolve,
      confirmed: confirmed.promise,
      ended: ended.promise,
    }
  }
  // Pauses take no time.
  const clock = { ...systemClock, sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(0, signal) }
  return { guards, guard: createGuard({ start, clock, logger: pino({ level: 'silent' }) }) }
}
const isSettled = async (promise: Promise<void>): Promise<boolean> => {
  let settled = false
  void promise.finally(() => {
    settled = true
  })
  await systemClock.sleep(0.01)
  return settled
}

test('is ready only when the guard process confirms it', async () => {
  const { guard, guards } = createFakeGuards()
  const ready = guard.ready()
  expect(await isSettled(ready)).toBe(false)
  guards[0]!.confirm()
  await ready
  await guard.ready()
  expect(guards).toHaveLength(1)
})

test('a guard that ends before it confirms is an error, and the next one is waited for', async () => {
  const { guard, guards } = createFakeGuards()
  const ready = guard.ready()
  guards[0]!.die()
  await expect(ready).rejects.toThrow('the process guard ended before it was ready')
  await expect.poll(() => guards).toHaveLength(2)
  const next = guard.ready()
  guards[1]!.confirm()
  await next
})

test('the first line that a guard reads names the groups that already run', async () => {
  const { guard, guards } = createFakeGuards()
  const ready = guard.ready()
  guards[0]!.confirm()
  await ready
  for (const group of [11, 12, 13]) guard.add(group)
  guard.remove(12)
  expect(guards[0]!.written).toEqual(['\n', '+ 11\n', '+ 12\n', '+ 13\n', '- 12\n'])
  guards[0]!.die()
  await expect.poll(() => guards).toHaveLength(2)
  expect(guards[1]!.written).toEqual(['11 13\n'])
  expect(await isSettled(guard.ready())).toBe(false)
})

test('closing ends the wait for a guard', async () => {
  const { guard, guards } = createFakeGuards()
  const ready = guard.ready()
  const refused = expect(ready).rejects.toThrow('the process guard is closed')
  await guard.close()
  await refused
  expect(guards).toHaveLength(1)
})
