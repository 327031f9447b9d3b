import { expect, test } from 'vitest'
import { ClientError, Status } from '../../lib/errors.ts'
import { reconnectingWatch } from './reconnecting-watch.ts'

const deadlineError = () => new ClientError('/x', Status.DEADLINE_EXCEEDED, 'Deadline exceeded')

/** Watches streams that each yield one value, last `lastSeconds`, and end with the next error of `ends`, or normally. */
const watch = async (ends: (Error | undefined)[], lastSeconds: number) => {
  let now = 0
  const seen: number[] = []
  const { signal } = new AbortController()
  const all = reconnectingWatch({ monotonicSeconds: () => now }, signal, async function* () {
    yield ends.length
    now += lastSeconds
    const end = ends.shift()
    if (end) throw end
  })
  try {
    for await (const each of all) seen.push(each)
    return { seen }
  } catch (error) {
    return { seen, error }
  }
}

test('a watch continues after the deadline of its call, until the server ends the stream', async () => {
  expect(await watch([deadlineError(), deadlineError(), undefined], 86_400)).toEqual({ seen: [3, 2, 1] })
})

test('a watch ends with any other error, and with a deadline error that comes too early', async () => {
  const refused = new ClientError('/x', Status.UNAVAILABLE, 'connection refused')
  expect(await watch([deadlineError(), refused, undefined], 86_400)).toEqual({ seen: [3, 2], error: refused })
  const early = deadlineError()
  expect(await watch([early, undefined], 1)).toEqual({ seen: [2], error: early })
})
