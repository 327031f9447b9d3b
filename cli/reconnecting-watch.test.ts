import { ClientError, Status } from 'nice-grpc'
import { expect, test } from 'vitest'
import { reconnectingWatch } from './reconnecting-watch.ts'

const deadline = () => new ClientError('/x', Status.DEADLINE_EXCEEDED, 'Deadline exceeded')

/** Streams that each give one thing, last so long, and then end as they are told to. */
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

test('a watch goes on beyond the deadline of its call, until the stream ends by itself', async () => {
  expect(await watch([deadline(), deadline(), undefined], 86_400)).toEqual({ seen: [3, 2, 1] })
})

test('other ends are ends, and so is a deadline that cannot have come yet', async () => {
  const gone = new ClientError('/x', Status.UNAVAILABLE, 'connection refused')
  expect(await watch([deadline(), gone, undefined], 86_400)).toEqual({ seen: [3, 2], error: gone })
  const early = deadline()
  expect(await watch([early, undefined], 1)).toEqual({ seen: [2], error: early })
})
