import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { MeshAssignment } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Clock } from '../../lib/clock.ts'
import type { PingSink } from '../engines/engine.ts'
import { planMesh } from './assignment.ts'
import { createSession } from './session.ts'

const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A session on a clock that the test advances, on an interface whose state the test sets. */
const startSession = async ({ down = '' } = {}) => {
  let now = 1000
  const sleepers = new Set<() => void>()
  const clock: Clock = {
    now: () => new Date(now * 1000),
    monotonicSeconds: () => now,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    sleep: (seconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const until = now + seconds
        const wake = () => {
          if (now < until - 1e-9) return
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
  const sinks: PingSink[] = []
  const pingContinuously = (_request: unknown, _source: unknown, signal: AbortSignal, sink: PingSink) => {
    sinks.push(sink)
    return new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }
  const planOf = (ids: readonly number[], windowSeconds: number, intervalMs = 1000) =>
    planMesh(
      MeshAssignment.fromPartial({
        owner: 'one',
        window: { seconds: windowSeconds },
        groups: [
          {
            interface: 'net1',
            interval: { nanos: (intervalMs % 1000) * 1e6, seconds: Math.floor(intervalMs / 1000) },
            targets: ids.map((id) => ({ id, address: `10.0.0.${id}` })),
          },
        ],
      }),
      0,
    )
  const session = createSession(
    {
      clock,
      randomBytes,
      time: () => now,
      engines: { ping: async () => ({ engine: { pingContinuously } }) },
      interfaces: { problemOf: () => down, deviceIndexOf: () => '7', addressesOf: () => [] },
      logger: { error: () => undefined },
      probes: { answered: 0, lost: 0 },
    } as never,
    { plan: planOf([1], 60), phase: 0 },
  )
  await settle()
  return {
    session,
    planOf,
    sinks,
    sleeping: () => sleepers.size,
    pass: async (seconds: number) => {
      for (let step = 0; step < seconds * 10; step++) {
        now += 0.1
        for (const wake of [...sleepers]) wake()
        await settle()
      }
    },
  }
}

test('on an interface that stays down, probers do not accumulate with each update', async () => {
  const { session, planOf, pass, sleeping } = await startSession({ down: 'net1 is down' })
  for (let round = 2; round < 40; round++) {
    session.update(planOf([1, round], 60))
    await pass(0.3)
  }
  await pass(1)
  // The window timer, and the prober that checks the interface at intervals.
  expect(sleeping()).toBeLessThanOrEqual(3)
  await session.end()
})

test('a shorter window length takes effect immediately', async () => {
  const { session, planOf, pass, sinks } = await startSession()
  session.update(planOf([1], 1))
  await pass(0.5)
  sinks[0]!(0, 0.001, false, '')
  await pass(1.2)
  session.seal(false)
  expect(session.batchFrom(0)?.windows).toHaveLength(1)
  await session.end()
})

test('a window has space for the probes of a shorter interval than at first', async () => {
  const { session, planOf, pass, sinks } = await startSession()
  session.update(planOf([1], 60, 50))
  await pass(0.5)
  for (let probe = 0; probe < 1200; probe++) {
    sinks.at(-1)!(0, 0.001, false, '')
    if (probe % 20 === 19) await pass(0.1)
  }
  await session.end()
  session.seal(false)
  const windows = session.batchFrom(0)!.windows.flatMap((group) => group.windows)
  expect(windows.map(({ sentCount }) => sentCount)).toEqual([1200])
})
