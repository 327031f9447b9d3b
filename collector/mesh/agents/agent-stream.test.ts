import { setImmediate } from 'node:timers/promises'
import { ClientError, Status } from 'nice-grpc'
import { expect, test } from 'vitest'
import { MeshAssignment, MeshBatch, type MeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import { createLogger } from '../../../lib/logging.ts'
import { createAgentStream } from './agent-stream.ts'

/** A stream whose batches come when told, by a clock that goes on when told. */
const startKeeper = (given: { mesh?: () => AsyncGenerator<MeshResponse> } = {}) => {
  let now = 0
  const sleepers = new Set<() => void>()
  const clock: Clock = {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    yield: () => setImmediate(),
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
  const keeper = createAgentStream(
    {
      clock,
      logger: createLogger('test', 'fatal'),
      random: () => 0,
      connection: () => ({ ping: { mesh, ...given } }) as never,
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
    keeper,
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

/** A keeper of an agent that answers as given, by a clock that does not go on. */
const startWith = (mesh: (requests: AsyncIterable<unknown>) => AsyncIterable<MeshResponse>) => {
  const clock: Clock = {
    now: () => new Date(0),
    monotonicSeconds: () => 0,
    yield: () => setImmediate(),
    sleep: (_seconds, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  }
  const stop = new AbortController()
  const keeper = createAgentStream(
    {
      clock,
      logger: createLogger('test', 'silent'),
      random: () => 0,
      connection: () => ({ ping: { mesh } }) as never,
      onStarted: () => undefined,
      onBatch: () => undefined,
      onDelivering: () => undefined,
    },
    MeshAssignment.fromPartial({}),
    stop.signal,
  )
  return { keeper, stop }
}

test('a node that leaves while its agent cannot be reached is not called any more', async () => {
  let calls = 0
  const { keeper, stop } = startWith(async function* () {
    calls++
    yield* []
    throw new ClientError('/mesh', Status.UNAVAILABLE, 'nobody is there')
  })
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  let finished = false
  void keeper.finish().then(() => {
    finished = true
  })
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect({ calls, finished }).toEqual({ calls: 1, finished: true })
  stop.abort()
  await keeper.done
})

test('nothing of a stream is left when it has ended', async () => {
  let left = 0
  const { keeper, stop } = startWith(async function* (requests) {
    const iterator = requests[Symbol.asyncIterator]()
    await iterator.next()
    left++
    const ended = () => left--
    void iterator.next().then(ended, ended)
    throw new ClientError('/mesh', Status.UNAVAILABLE, 'it went away')
  })
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  expect(left).toBe(0)
  stop.abort()
  await keeper.done
})

test('an agent that is away for hours is called once a minute, and at once when it has answered somebody', async () => {
  const agent = { calls: 0, status: Status.UNAVAILABLE as Status }
  const { keeper, pass, end } = startKeeper({
    mesh: async function* () {
      agent.calls++
      yield* []
      throw new ClientError('/mesh', agent.status, 'no')
    },
  })
  const callsIn = async (seconds: number) => {
    const before = agent.calls
    for (let second = 0; second < seconds; second++) await pass(1)
    return agent.calls - before
  }
  // It may be back any moment: every 2.5 s at least, half of it by the jitter.
  expect(await callsIn(60)).toBeGreaterThanOrEqual(20)
  await callsIn(180)
  expect(await callsIn(3600)).toBeLessThanOrEqual(120)
  keeper.wake()
  expect(await callsIn(1)).toBeGreaterThanOrEqual(1)
  expect(await callsIn(10)).toBeGreaterThanOrEqual(3)
  // One that answers and refuses is called as before.
  agent.status = Status.ABORTED
  await callsIn(300)
  expect(await callsIn(60)).toBeGreaterThanOrEqual(20)
  await end()
})
