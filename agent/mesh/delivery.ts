/** Sends the batches of a session to the stream that has its lease, and applies what the caller sends. */

import { isDeepStrictEqual } from 'node:util'
import type { MeshAssignment, PingMeshRequest, PingMeshResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import type { EngineVersion } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { secondsToTimestamp } from '../../lib/protobuf-time.ts'
import type { MeshPlan } from './assignment.ts'
import { waitForCancellation } from './half-close-grace.ts'
import type { SessionLease } from './ownership.ts'
import type { Session } from './session.ts'

/** A stream without a message for this time gets an empty batch: the caller considers a silent stream broken. */
const KEEPALIVE_SECONDS = 2

type DeliveryDeps = {
  clock: Clock
  /** Time of the mesh, in seconds since 1970. */
  time: () => number
  /** @throws OperatingError naming everything that is wrong with the assignment */
  admit: (assignment: MeshAssignment) => MeshPlan
  /** Echo requests that this host has received; undefined where the kernel does not count them. */
  echoRequests: () => number | undefined
}

/** Applies each request to the session as it arrives. */
const applyRequests = (
  requests: AsyncIterator<PingMeshRequest>,
  session: Session,
  first: MeshAssignment,
  { clock, admit, onEnd }: Pick<DeliveryDeps, 'clock' | 'admit'> & { onEnd: () => void },
) => {
  let assignment = first
  let admitAgainSeconds = 0
  const apply = (next: MeshAssignment) => {
    assignment = next
    session.update(admit(next))
  }
  const state = {
    ended: false,
    failure: undefined as unknown,
    /** Admits refused targets again: an interface may have got an address since. */
    admitAgain: () => {
      const now = clock.monotonicSeconds()
      if (session.plan().refused.length === 0 || state.ended || now < admitAgainSeconds) return
      admitAgainSeconds = now + KEEPALIVE_SECONDS
      const plan = admit(assignment)
      if (!isDeepStrictEqual(plan.refused, session.plan().refused)) session.update(plan)
    },
  }
  const read = async () => {
    for (let next = await requests.next(); !next.done; next = await requests.next()) {
      const { request } = next.value
      if (request?.$case === 'assignment') apply(request.value)
      else if (request?.value.session === session.id) session.acknowledge(request.value.sequence)
    }
  }
  void read()
    .catch((failure) => {
      state.failure = failure
    })
    .finally(() => {
      state.ended = true
      onEnd()
    })
  return state
}

/** Sends `Started`, then batches until the caller ends its requests, then the last batches of the session. */
export async function* deliver(
  { clock, time, admit, echoRequests }: DeliveryDeps,
  lease: SessionLease,
  assignment: MeshAssignment,
  engines: EngineVersion[],
  requests: AsyncIterator<PingMeshRequest>,
  signal: AbortSignal,
): AsyncGenerator<PingMeshResponse> {
  const { session } = lease
  let wake = Promise.withResolvers<void>()
  let sequence = 0
  let sentAt = clock.monotonicSeconds()

  function* batches(): Generator<PingMeshResponse> {
    for (let batch = session.batchFrom(sequence); batch; ) {
      sequence = batch.sequence + 1
      sentAt = clock.monotonicSeconds()
      const next = session.batchFrom(sequence)
      const current = {
        sendTime: secondsToTimestamp(time()),
        droppedCount: session.droppedCount(),
        problems: session.problems(),
        // After a disconnection several batches are sent at once; the count belongs to the last one only.
        echoRequestCount: next ? undefined : echoRequests(),
      }
      yield { event: { $case: 'batch', value: { ...batch, ...current } } }
      batch = next ?? session.batchFrom(sequence)
    }
  }
  // One timer and one listener for the life of the stream cost less than new ones for each wait.
  const over = new AbortController()
  const wakeWhenDue = async () => {
    for (;;) {
      const left = sentAt + KEEPALIVE_SECONDS - clock.monotonicSeconds()
      try {
        await clock.sleep(left > 0 ? left : KEEPALIVE_SECONDS, over.signal)
      } catch {
        return
      }
      if (clock.monotonicSeconds() - sentAt >= KEEPALIVE_SECONDS) wake.resolve()
    }
  }
  let isAborted = signal.aborted
  const onAbort = () => {
    isAborted = true
    wake.resolve()
  }
  signal.addEventListener('abort', onAbort)

  session.onBatch(() => wake.resolve())
  const caller = applyRequests(requests, session, assignment, { clock, admit, onEnd: () => wake.resolve() })
  yield { event: { $case: 'started', value: { session: session.id, engines } } }
  void wakeWhenDue()
  try {
    for (;;) {
      if (isAborted) signal.throwIfAborted()
      if (caller.failure) throw caller.failure
      const isOver = caller.ended
      if (isOver) {
        await waitForCancellation(clock, signal)
        await lease.end()
      }
      session.seal(!isOver && clock.monotonicSeconds() - sentAt >= KEEPALIVE_SECONDS)
      // An async generator that delegates to a synchronous one takes several turns of promises for each batch.
      for (const response of batches()) yield response
      if (isOver) return
      await wake.promise
      wake = Promise.withResolvers<void>()
      caller.admitAgain()
    }
  } finally {
    over.abort()
    signal.removeEventListener('abort', onAbort)
  }
}
