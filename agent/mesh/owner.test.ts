import { expect, test } from 'vitest'
import { MeshAssignment } from '#proto/meshgauge/agent/v1/ping.ts'
import { systemClock } from '../../lib/clock.ts'
import { planMesh } from './assignment.ts'
import { createOwnership } from './owner.ts'
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
    listen: () => undefined,
    end: () => {
      seen.ended = true
      return ending.promise
    },
  }
  return { session: session as unknown as Session, seen, finish: () => ending.resolve() }
}

test('who comes while the session of a stream that was left is ending gets one that probes', async () => {
  const made: ReturnType<typeof sessionOf>[] = []
  const ownership = createOwnership({
    clock: systemClock,
    createSession: () => {
      made.push(sessionOf())
      return made.at(-1)!.session
    },
  })
  const left = ownership.hold(plan)
  const ended = left.end()
  const next = ownership.hold(plan)
  expect(next.session).not.toBe(left.session)
  expect(made[0]!.seen).toEqual({ updates: 0, ended: true })
  made[0]!.finish()
  await ended
  await left.release('left')
  expect(made[1]!.seen.ended).toBe(false)
  // The same stream's session goes on for the next one of its owner.
  expect(ownership.hold(plan).session).toBe(next.session)
  made[1]!.finish()
  await ownership.close()
})
