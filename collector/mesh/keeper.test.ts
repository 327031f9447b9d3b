import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MeshAssignment, MeshBatch, type MeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/logging.ts'
import { createKeeper } from './keeper.ts'

/** A stream whose batches come when told, by a clock that goes on when told. */
const startKeeper = () => {
  let now = 0
  const sleepers = new Set<() => void>()
  const clock: Clock = {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    sleep: (seconds, signal) =>
      new Promise((resolve, reject) => {
        const until = now + seconds
        const wake = () => {
          if (now < until) return
          sleepers.delete(wake)
          resolve()
        }
        sleepers.add(wake)
        signal?.addEventListener('abort', () => {
          sleepers.delete(wake)
          reject(signal.reason)
        })
      }),
  }
  let send = (): void => undefined
  async function* mesh(): AsyncGenerator<MeshResponse> {
    for (;;) {
      await new Promise<void>((resolve) => {
        send = resolve
      })
      yield { event: { $case: 'batch', value: MeshBatch.fromPartial({}) } }
    }
  }
  const told: boolean[] = []
  const stop = new AbortController()
  const keeper = createKeeper(
    {
      clock,
      logger: createLogger('test', 'fatal'),
      random: () => 0,
      connection: () => ({ ping: { mesh } }) as never,
      onStarted: () => undefined,
      onBatch: () => undefined,
      onDelivering: (delivers) => told.push(delivers),
    },
    MeshAssignment.fromPartial({}),
    stop.signal,
  )
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await setImmediate()
  }
  return {
    told,
    batch: async () => {
      await settle()
      send()
      await settle()
    },
    pass: async (seconds: number) => {
      await settle()
      now += seconds
      for (const wake of [...sleepers]) wake()
      await settle()
    },
    end: async () => {
      stop.abort()
      send()
      await Promise.race([keeper.done, settle()])
    },
  }
}

test('an agent that says nothing is silent; a collector that was held up accuses none', async () => {
  const { told, batch, pass, end } = startKeeper()
  await batch()
  expect(told).toEqual([true])
  // Stopped for twenty seconds, or a machine that slept: nothing could be heard.
  await pass(20)
  expect(told).toEqual([true])
  for (let second = 0; second < 4; second++) await pass(1)
  expect(told).toEqual([true])
  for (let second = 0; second < 3; second++) await pass(1)
  expect(told).toEqual([true, false])
  await end()
})
