import { abortable } from 'abort-controller-x'
import type {
  MeshAssignment,
  PingMeshRequest,
  PingMeshResponse,
  PingServiceImplementation,
} from '#proto/meshgauge/agent/v1/ping.ts'
import type { EngineVersion } from '#proto/meshgauge/agent/v1/types.ts'
import { type Clock, createEvenTime } from '../../lib/clock.ts'
import { OperatingError, throwIfInvalid } from '../../lib/errors.ts'
import type { RandomBytes } from '../../lib/ids.ts'
import type { Logger } from '../../lib/logging.ts'
import type { CallContext } from '../../lib/serving.ts'
import type { Activity } from '../activity.ts'
import { type ProbeCeiling, type ProbeLoad, probeLoadOf, sumOfLoads } from '../ceilings.ts'
import type { Draining } from '../draining.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import { planPing } from '../engines/ping-request.ts'
import { countEchoRequests } from '../host/echo-requests.ts'
import type { ReadText } from '../host/files.ts'
import type { Interfaces } from '../interfaces.ts'
import { checkTargetLimit, limitsOf, peerRefusals } from '../limits.ts'
import { type MeshPlan, meshViolations, planMesh } from '../mesh/assignment.ts'
import { deliver } from '../mesh/delivery.ts'
import { createOwnership, type SessionLease } from '../mesh/ownership.ts'
import { createSession } from '../mesh/session.ts'
import type { AgentOptions } from '../options.ts'

type Deps = {
  clock: Clock
  randomBytes: RandomBytes
  logger: Pick<Logger, 'error'>
  interfaces: Interfaces
  engines: DetectedEngines
  draining: Draining
  read: ReadText
  probeCeiling: ProbeCeiling
  probes: Activity['probes']
}

/** Maximum number of networks that are remembered. A host has few, but a test bed may add new ones all day. */
const MAX_NETWORKS = 256

/** Position of this node in every round, 0 to 1, from its name (FNV-1a): the nodes of a fleet must not act at once. */
export const phaseOf = (node: string): number => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(node)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  // Similar names have similar low bits; one more mixing step changes the high bits too.
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) / 2 ** 32
}

const loadOf = ({ groups }: MeshPlan): ProbeLoad =>
  sumOfLoads(groups.map(({ request }) => probeLoadOf(planPing(request))))

export const createMeshService = (deps: Deps, options: AgentOptions) => {
  const { clock, interfaces, engines } = deps
  const time = createEvenTime(clock)
  const phase = phaseOf(options.node)
  const echoRequests = () => countEchoRequests(deps.read('/proc/net/snmp'), deps.read('/proc/net/snmp6'))
  const ownership = createOwnership({
    clock,
    createSession: (plan) => createSession({ ...deps, time }, { plan, phase }),
  })
  deps.probeCeiling.countMesh(() => {
    const plan = ownership.plan()
    return plan && loadOf(plan)
  })
  // An interface that is down has no addresses, but its network may still be measured.
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
    checkTargetLimit(
      limits,
      assignment.groups.reduce((sum, { targets }) => sum + targets.length, 0),
    )
    if (networks.size < MAX_NETWORKS) for (const network of limits.peerNetworks) networks.add(network)
    const plan = planMesh(assignment, phase, peerRefusals({ ...limits, peerNetworks: [...networks] }))
    deps.probeCeiling.throwIfMeshExceeds(limits, loadOf(plan))
    return plan
  }
  /** Versions of the engines that can probe now. An engine that cannot is reported as the problem of its groups. */
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

  const delivery = { clock, time, admit, echoRequests }

  const pingMesh: PingServiceImplementation['pingMesh'] = async function* (
    requests: AsyncIterable<PingMeshRequest>,
    context: CallContext,
  ): AsyncGenerator<PingMeshResponse> {
    const stream = deps.draining.track(context.signal)
    let lease: SessionLease | undefined
    let isFinished = false
    try {
      const iterator = requests[Symbol.asyncIterator]()
      const first = await abortable(stream.signal, iterator.next())
      const request = first.done ? undefined : first.value.request
      if (request?.$case !== 'assignment') {
        const description = 'the first message must be an assignment'
        return throwIfInvalid('the stream', [{ field: 'request', description }])
      }
      const plan = admit(request.value)
      lease = ownership.acquire(plan)
      const signal = AbortSignal.any([stream.signal, lease.signal])
      yield* deliver(delivery, lease, request.value, await versionsOf(plan, signal), iterator, signal)
      isFinished = true
    } finally {
      // The session outlives a caller that is disconnected, but not the agent's own shutdown.
      const isDisconnected = !isFinished && !deps.draining.isDraining()
      await lease?.release(isDisconnected ? 'disconnected' : 'finished')
      stream.end()
    }
  }
  return { pingMesh, heldWindowCount: ownership.heldWindowCount, close: ownership.close }
}
