/**
 * Which caller's assignment a node carries out. The one exception to the rule that a stream is a lease: when the stream
 * breaks, its session continues to measure for the assignment's outlive time.
 */

import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import { BUSY_RETRY_SECONDS } from '../admission.ts'
import type { MeshPlan } from './assignment.ts'
import type { Session } from './session.ts'

type OwnershipDeps = { clock: Clock; createSession: (plan: MeshPlan) => Session }

/** A stream's lease on the session of its owner. */
export type SessionLease = {
  session: Session
  /** Aborted when a newer stream of the same owner has taken over. */
  signal: AbortSignal
  /** Ends the session, so that its last batches can be sent. A stream that opens during this time gets a new session. */
  end(): Promise<void>
  /** The stream is over. After `disconnected` the session continues for the outlive time, after `finished` it ends. */
  release(why: 'disconnected' | 'finished'): Promise<void>
}

export const createOwnership = ({ clock, createSession }: OwnershipDeps) => {
  let session: Session | undefined
  /** Aborts the stream that has the lease. */
  let holder: AbortController | undefined
  /** Aborted when a stream takes over a session that has outlived its stream. */
  let outliving: AbortController | undefined

  const discard = async (old: Session) => {
    if (session === old) session = undefined
    await old.end()
  }
  /** Ends the session unless its owner returns in time. */
  const outlive = (left: Session, seconds: number): Promise<void> => {
    const waiting = new AbortController()
    outliving = waiting
    return clock.sleep(seconds, waiting.signal).then(
      () => discard(left),
      () => undefined,
    )
  }

  return {
    /**
     * Leases the session of the plan's owner to a stream, and makes it carry out the plan.
     * @throws OperatingError AGENT_BUSY while another owner's stream is open
     */
    acquire: (plan: MeshPlan): SessionLease => {
      if (holder && session && session.owner !== plan.owner) {
        throw new OperatingError(
          'AGENT_BUSY',
          `the ping mesh of this agent is assigned by ${session.owner}, which is connected`,
          { retrySeconds: BUSY_RETRY_SECONDS },
        )
      }
      holder?.abort(
        new OperatingError('AGENT_BUSY', `a newer stream of ${plan.owner} has taken over`, {
          retrySeconds: BUSY_RETRY_SECONDS,
        }),
      )
      outliving?.abort()
      const known = session?.owner === plan.owner ? session : undefined
      if (session && !known) void session.end()
      known?.update(plan)
      const leased = known ?? createSession(plan)
      session = leased
      const stream = new AbortController()
      holder = stream
      return {
        session: leased,
        signal: stream.signal,
        end: () => discard(leased),
        release: async (why) => {
          if (holder !== stream) return
          holder = undefined
          leased.onBatch(undefined)
          const { outliveSeconds } = leased.plan()
          if (why === 'finished' || outliveSeconds === 0) await discard(leased)
          else void outlive(leased, outliveSeconds)
        },
      }
    },
    /** What is carried out now; undefined without a session. */
    plan: (): MeshPlan | undefined => session?.plan(),
    heldWindowCount: (): number => session?.heldWindowCount() ?? 0,
    /** Ends the session when the agent shuts down. */
    close: async (): Promise<void> => {
      outliving?.abort()
      if (session) await discard(session)
    },
  }
}
