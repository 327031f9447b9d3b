import { expect, test } from 'vitest'
import { ClientError, Status } from '../../lib/errors.ts'
import { createIdempotently } from './idempotent-create.ts'

/** A clock on which every wait passes at once. */
const clock = {
  now: () => new Date(0),
  monotonicSeconds: () => 0,
  yield: async () => undefined,
  sleep: async () => undefined,
}

const lost = new ClientError('/RunService/CreateRun', Status.UNAVAILABLE, 'Connection dropped')
const unreachable = new ClientError(
  '/RunService/CreateRun',
  Status.UNAVAILABLE,
  'No connection established. Last error: ECONNREFUSED',
)

/** Calls with the given outcomes, one after the other; undefined succeeds. Returns the request ids that were sent. */
const callWith = async (...outcomes: (Error | undefined)[]) => {
  const sent: string[] = []
  const result = await createIdempotently(clock, async (requestId) => {
    const outcome = outcomes[sent.length]
    sent.push(requestId)
    if (outcome) throw outcome
    return 'created'
  }).catch((error: unknown) => error)
  return { result, sent }
}

test('each command has its own request id', async () => {
  const [one, other] = [await callWith(undefined), await callWith(undefined)]
  expect(one.sent[0]).toMatch(/^[\da-f-]{36}$/)
  expect(other.sent[0]).not.toBe(one.sent[0])
})

test('a request whose connection is lost is sent again with the same id, also while the collector restarts', async () => {
  const { result, sent } = await callWith(lost, unreachable, undefined)
  expect(result).toBe('created')
  expect([sent.length, new Set(sent).size]).toEqual([3, 1])
})

test.each([
  ['a collector that was never reached', unreachable, 1],
  ['an INTERNAL error', new ClientError('/', Status.INTERNAL, 'internal error'), 1],
  ['a collector that stays away', lost, 5],
])('%s is reported', async (_, error, calls) => {
  const { result, sent } = await callWith(...Array.from({ length: 9 }, () => error))
  expect(result).toBe(error)
  expect(sent).toHaveLength(calls)
})
