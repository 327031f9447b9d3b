import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MeshAssignment, MeshBatch, type PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../../lib/clock.ts'
import { ClientError, Status } from '../../../lib/errors.ts'
import { createLogger } from '../../../lib/logging.ts'
import { createAgentStream, keepCheckingSilence } from './agent-stream.ts'

/** Starts a stream on a manual clock (`pass`) to an agent that sends a batch on request (`batch`). */
const startOnManualClock = (given: { pingMesh?: () => AsyncGenerator<PingMeshResponse> } = {}) => {
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
  async function* mesh(): AsyncGenerator<PingMeshResponse> {
    for (;;) {
      await new Promise<void>((resolve) => {
        send = resolve
      })
      yield { event: { $case: 'batch', value: MeshBatch.fromPartial({}) } }
    }
  }
  const reported: boolean[] = []
  const stop = new AbortController()
  const stream = createAgentStream(
    {
      clock,
      logger: createLogger('test', 'fatal'),
      random: () => 0,
      connection: () => ({ ping: { pingMesh: mesh, ...given } }) as never,
      onStarted: () => undefined,
      onBatch: () => undefined,
      mayReach: () => true,
      onDelivering: (delivers) => reported.push(delivers),
    },
    MeshAssignment.fromPartial({}),
    stop.signal,
  )
  void keepCheckingSilence(clock, () => [stream], stop.signal)
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await setImmediate()
  }
  return {
    reported,
    stream,
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
      await Promise.race([stream.done, settle()])
    },
  }
}

test('an agent without batches stops delivering after 5 s, but time in which the collector was suspended does not count', async () => {
  const { reported, batch, pass, end } = startOnManualClock()
  await batch()
  expect(reported).toEqual([true])
  // The process was stopped, or the machine slept, for 20 s.
  await pass(20)
  expect(reported).toEqual([true])
  for (let second = 0; second < 4; second++) await pass(1)
  expect(reported).toEqual([true])
  for (let second = 0; second < 3; second++) await pass(1)
  expect(reported).toEqual([true, false])
  await end()
})

/** Starts a stream on a stopped clock to an agent with the given mesh call. */
const startOnStoppedClock = (
  mesh: (requests: AsyncIterable<unknown>) => AsyncIterable<PingMeshResponse>,
  mayReach = () => true,
) => {
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
  const stream = createAgentStream(
    {
      clock,
      logger: createLogger('test', 'silent'),
      random: () => 0,
      connection: () => ({ ping: { pingMesh: mesh } }) as never,
      onStarted: () => undefined,
      onBatch: () => undefined,
      onDelivering: () => undefined,
      mayReach,
    },
    MeshAssignment.fromPartial({}),
    stop.signal,
  )
  return { stream, stop }
}

test('an unreachable agent is not called again after finish', async () => {
  let calls = 0
  const { stream, stop } = startOnStoppedClock(async function* () {
    calls++
    yield* []
    throw new ClientError('/mesh', Status.UNAVAILABLE, 'connection refused')
  })
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  let finished = false
  void stream.finish().then(() => {
    finished = true
  })
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect({ calls, finished }).toEqual({ calls: 1, finished: true })
  stop.abort()
  await stream.done
})

test('the request generator of a failed call ends', async () => {
  let left = 0
  const { stream, stop } = startOnStoppedClock(async function* (requests) {
    const iterator = requests[Symbol.asyncIterator]()
    await iterator.next()
    left++
    const ended = () => left--
    void iterator.next().then(ended, ended)
    throw new ClientError('/mesh', Status.UNAVAILABLE, 'connection reset')
  })
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  expect(left).toBe(0)
  stop.abort()
  await stream.done
})

test('an agent that is unreachable for hours is called once a minute, and at once after wake', async () => {
  const agent = { calls: 0, status: Status.UNAVAILABLE as Status }
  const { stream, pass, end } = startOnManualClock({
    pingMesh: async function* () {
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
  // In the first minute the backoff is at most 5 s, halved by the lowest jitter.
  expect(await callsIn(60)).toBeGreaterThanOrEqual(20)
  await callsIn(180)
  expect(await callsIn(3600)).toBeLessThanOrEqual(120)
  stream.wake()
  expect(await callsIn(1)).toBeGreaterThanOrEqual(1)
  expect(await callsIn(10)).toBeGreaterThanOrEqual(3)
  // An agent that answers and refuses keeps the short backoff.
  agent.status = Status.ABORTED
  await callsIn(300)
  expect(await callsIn(60)).toBeGreaterThanOrEqual(20)
  await end()
})

test('an agent that cannot be reached is called when it is woken', async () => {
  let calls = 0
  let mayReach = false
  const { stream, stop } = startOnStoppedClock(
    async function* () {
      calls++
      yield* []
      throw new ClientError('/mesh', Status.UNAVAILABLE, 'connection refused')
    },
    () => mayReach,
  )
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect([calls, stream.reason()]).toEqual([0, 'its agent does not answer'])
  mayReach = true
  stream.wake()
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  expect(calls).toBe(1)
  stop.abort()
  await stream.done
})
