/** Whose assignment a node carries out, and what becomes of it when its stream breaks: the one exception to the lease. */

import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import { BUSY_RETRY_SECONDS } from '../admission.ts'
import type { MeshPlan } from './assignment.ts'
import type { Session } from './session.ts'

type OwnerDeps = { clock: Clock; createSession: (plan: MeshPlan) => Session }

/** A stream's hold on the session. */
export type Hold = {
  session: Session
  /** Aborted when a newer stream of the same owner has taken over. */
  signal: AbortSignal
  /** Ends the session, so that its last batches can be sent; who comes meanwhile gets a new one. */
  end(): Promise<void>
  /** The stream is over: broken, so that probing goes on for the outlive time, or left by a caller who wants it to end. */
  release(why: 'broken' | 'left'): Promise<void>
}

export const createOwnership = ({ clock, createSession }: OwnerDeps) => {
  let session: Session | undefined
  let holder: AbortController | undefined
  let outliving: AbortController | undefined

  const discard = async (old: Session) => {
    if (session === old) session = undefined
    await old.end()
  }
  /** Ends the session when nobody has come back in time. */
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
     * Gives the session to a stream; what it probes is set by `plan`.
     * @throws OperatingError AGENT_BUSY while the stream of another owner lives
     */
    hold: (plan: MeshPlan): Hold => {
      if (holder && session && session.owner !== plan.owner) {
        throw new OperatingError(
          'AGENT_BUSY',
          `the mesh of this agent is assigned by ${session.owner}, whose stream is open`,
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
      const held = known ?? createSession(plan)
      session = held
      const own = new AbortController()
      holder = own
      return {
        session: held,
        signal: own.signal,
        end: () => discard(held),
        release: async (why) => {
          if (holder !== own) return
          holder = undefined
          held.listen(undefined)
          const { outliveSeconds } = held.plan()
          if (why === 'left' || outliveSeconds === 0) await discard(held)
          else void outlive(held, outliveSeconds)
        },
      }
    },
    /** Ends everything, as the agent does. */
    close: async (): Promise<void> => {
      outliving?.abort()
      if (session) await discard(session)
    },
  }
}
