import { abortable } from 'abort-controller-x'
import type {
  MeshAssignment,
  MeshRequest,
  MeshResponse,
  PingServiceImplementation,
} from '#proto/meshgauge/agent/v1/ping.ts'
import type { EngineVersion } from '#proto/meshgauge/agent/v1/types.ts'
import { type Clock, createEvenTime } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import { secondsToTimestamp } from '../../lib/protobuf-time.ts'
import type { CallContext } from '../../lib/serving.ts'
import type { Draining } from '../draining.ts'
import type { Detected } from '../engines/detected.ts'
import { countEchoRequests } from '../host/echo-requests.ts'
import type { ReadText } from '../host/files.ts'
import type { Interfaces } from '../interfaces.ts'
import { checkPeers, checkTargetLimit, limitsOf } from '../limits.ts'
import { type MeshPlan, meshViolations, planMesh } from '../mesh/assignment.ts'
import { waitForBreak } from '../mesh/half-close-grace.ts'
import { createOwnership, type Hold } from '../mesh/owner.ts'
import { createSession, type Session } from '../mesh/session.ts'
import type { AgentOptions } from '../options.ts'

type Deps = {
  clock: Clock
  logger: Pick<Logger, 'error'>
  interfaces: Interfaces
  engines: Detected
  draining: Draining
  read: ReadText
}

/** A caller that hears nothing for longer may take the stream for dead. */
const LIFE_SECONDS = 2

/** Networks that are remembered; interfaces have few, and a test bed that makes new ones all day must not fill memory. */
const MAX_NETWORKS = 256

/** This node's own place in every round, 0 to 1, from its name (FNV-1a): the nodes of a fleet must not act as one. */
export const phaseOf = (node: string): number => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(node)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  // The last bits of similar names are similar, the first ones after another round are not.
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) / 2 ** 32
}

/** One side of the stream: what the caller says, applied as it comes. */
const listenTo = (
  requests: AsyncIterator<MeshRequest>,
  session: Session,
  { admit, onEnd }: { admit: (assignment: MeshAssignment) => MeshPlan; onEnd: () => void },
) => {
  const state: { ended: boolean; failure?: unknown } = { ended: false }
  const read = async () => {
    for (let next = await requests.next(); !next.done; next = await requests.next()) {
      const { request } = next.value
      if (request?.$case === 'assignment') session.update(admit(request.value))
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

export const createMesh = (deps: Deps, options: AgentOptions) => {
  const { clock, interfaces, engines } = deps
  const time = createEvenTime(clock)
  const phase = phaseOf(options.node)
  const echoRequests = () => countEchoRequests(deps.read('/proc/net/snmp'), deps.read('/proc/net/snmp6'))
  const ownership = createOwnership({
    clock,
    createSession: (plan) => createSession({ ...deps, time }, { plan, phase }),
  })
  // An interface that is down has no addresses; what it may measure does not change with that.
  const networks = new Set<string>()

  /** @throws OperatingError naming everything that is wrong with the assignment */
  const admit = (assignment: MeshAssignment): MeshPlan => {
    deps.draining.throwIfDraining()
    const known = {
      engine: engines.knownPing,
      engineNames: engines.pingNames.join(', '),
      mayUse: interfaces.mayUse,
    }
    throwIfInvalid('the assignment', meshViolations(assignment, known))
    const limits = limitsOf(options, interfaces)
    const targets = assignment.groups.flatMap((group) => group.targets)
    checkTargetLimit(limits, targets.length)
    if (networks.size < MAX_NETWORKS) for (const network of limits.peerNetworks) networks.add(network)
    checkPeers(
      { ...limits, peerNetworks: [...networks] },
      targets.map(({ address }) => address),
    )
    return planMesh(assignment, phase)
  }
  /** What can probe now; an engine that cannot is told as trouble of its groups, and tried again. */
  const versionsOf = async (plan: MeshPlan, signal: AbortSignal): Promise<EngineVersion[]> => {
    const names = [...new Set(plan.groups.map(({ request }) => request.engine))]
    const found = await Promise.all(
      names.map((name) =>
        engines.ping(name, signal).then(
          ({ version }) => [version],
          (error: unknown) => {
            if (error instanceof OperatingError) return []
            throw error
          },
        ),
      ),
    )
    return found.flat()
  }

  async function* deliver(
    hold: Hold,
    plan: MeshPlan,
    next: AsyncIterator<MeshRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<MeshResponse> {
    const { session } = hold
    let wake = Promise.withResolvers<void>()
    session.listen(() => wake.resolve())
    const caller = listenTo(next, session, { admit, onEnd: () => wake.resolve() })
    const value = { session: session.id, engines: await versionsOf(plan, signal) }
    yield { event: { $case: 'started', value } }
    let sequence = 0
    let sentAt = clock.monotonicSeconds()
    for (;;) {
      signal.throwIfAborted()
      if (caller.failure) throw caller.failure
      const isOver = caller.ended
      if (isOver) {
        // Rejects when the caller has not finished but gone.
        await waitForBreak(clock, signal)
        await hold.end()
      }
      session.seal(!isOver && clock.monotonicSeconds() - sentAt >= LIFE_SECONDS)
      for (let batch = session.batchFrom(sequence); batch; ) {
        sequence = batch.sequence + 1
        sentAt = clock.monotonicSeconds()
        const next = session.batchFrom(sequence)
        const now = {
          sendTime: secondsToTimestamp(time()),
          droppedCount: session.droppedCount(),
          troubles: session.troubles(),
          // Of batches that come in a row after a silence only the last one is of now.
          echoRequestCount: next ? undefined : echoRequests(),
        }
        yield { event: { $case: 'batch', value: { ...batch, ...now } } }
        batch = next ?? session.batchFrom(sequence)
      }
      if (isOver) return
      const pause = new AbortController()
      const left = Math.max(0, sentAt + LIFE_SECONDS - clock.monotonicSeconds())
      const slept = clock.sleep(left, AbortSignal.any([signal, pause.signal])).catch(() => undefined)
      await Promise.race([wake.promise, slept])
      pause.abort()
      wake = Promise.withResolvers<void>()
    }
  }

  const mesh: PingServiceImplementation['mesh'] = async function* (
    requests: AsyncIterable<MeshRequest>,
    context: CallContext,
  ): AsyncGenerator<MeshResponse> {
    const stream = deps.draining.track(context.signal)
    let hold: Hold | undefined
    let hasLeft = false
    try {
      const iterator = requests[Symbol.asyncIterator]()
      const first = await abortable(stream.signal, iterator.next())
      const request = first.done ? undefined : first.value.request
      if (request?.$case !== 'assignment') {
        const description = 'the first message must be an assignment'
        return throwIfInvalid('the stream', [{ field: 'request', description }])
      }
      const plan = admit(request.value)
      hold = ownership.hold(plan)
      yield* deliver(hold, plan, iterator, AbortSignal.any([stream.signal, hold.signal]))
      hasLeft = true
    } finally {
      // An agent that stops ends its probing at once; a caller that was lost does not.
      const isBroken = !hasLeft && !deps.draining.isDraining()
      await hold?.release(isBroken ? 'broken' : 'left')
      stream.end()
    }
  }
  return { mesh, close: ownership.close }
}
