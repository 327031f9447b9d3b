import { expect, test } from 'vitest'
import { MeshAssignment } from '#proto/meshgauge/agent/v1/ping.ts'
import { systemClock } from '../../lib/clock.ts'
import { planMesh } from './assignment.ts'
import { createOwnership } from './ownership.ts'
import type { Session } from './session.ts'

const plan = planMesh(MeshAssignment.fromPartial({ owner: 'one' }), 0)

const sessionOf = () => {
  const ending = Promise.withResolvers<void>()
  const seen = { updates: 0, ended: false }
  const session = {
    owner: plan.owner,
    plan: () => plan,
    update: () => {
      seen.updates++
    },
    onBatch: () => undefined,
    end: () => {
      seen.ended = true
      return ending.promise
    },
  }
  return { session: session as unknown as Session, seen, finish: () => ending.resolve() }
}

test('a stream that opens while the session of the one before ends gets a new session', async () => {
  const made: ReturnType<typeof sessionOf>[] = []
  const ownership = createOwnership({
    clock: systemClock,
    createSession: () => {
      made.push(sessionOf())
      return made.at(-1)!.session
    },
  })
  const first = ownership.acquire(plan)
  const ended = first.end()
  const next = ownership.acquire(plan)
  expect(next.session).not.toBe(first.session)
  expect(made[0]!.seen).toEqual({ updates: 0, ended: true })
  made[0]!.finish()
  await ended
  await first.release('finished')
  expect(made[1]!.seen.ended).toBe(false)
  // A session continues when the next stream of its owner takes over.
  expect(ownership.acquire(plan).session).toBe(next.session)
  made[1]!.finish()
  await ownership.close()
})
