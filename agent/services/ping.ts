import type { Limits } from '#proto/meshgauge/agent/v1/agent.ts'
import {
  type PingRequest,
  type PingResponse,
  PingResult,
  type PingServiceImplementation,
  type PingWindow,
} from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import { throwIfInvalid, type Violation } from '../../lib/errors.ts'
import { fromDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { PING_DEFAULTS } from '../../lib/test-defaults.ts'
import type { Activity } from '../activity.ts'
import { boundedPingSeconds, type ProbeCeiling, probeLoadOf } from '../ceilings.ts'
import type { Draining } from '../draining.ts'
import type { DetectedEngines } from '../engines/detected-engines.ts'
import { EngineError, type PingProbe } from '../engines/engine.ts'
import { planPing } from '../engines/ping-request.ts'
import { createStatistics, createTargetResult } from '../engines/statistics.ts'
import type { CpuShortage } from '../host/cpu-shortage.ts'
import type { Interfaces } from '../interfaces.ts'
import { checkPeers, checkTargetLimit, limitsOf, peerRefusals } from '../limits.ts'
import type { AgentOptions } from '../options.ts'
import { createReportTimer } from './report-timer.ts'

type Deps = {
  clock: Clock
  interfaces: Interfaces
  engines: DetectedEngines
  draining: Draining
  probeCeiling: ProbeCeiling
  cpuShortage: CpuShortage
  probes: Activity['probes']
}

const reportSecondsOf = ({ reportInterval }: PingRequest): number =>
  fromDuration(reportInterval) ?? PING_DEFAULTS.reportIntervalSeconds

const violationsOf = (request: PingRequest, interfaces: Interfaces): Violation[] => {
  const violations: Violation[] = []
  if (request.targets.length === 0)
    violations.push({ field: 'targets', description: 'at least one target is needed' })
  const reportSeconds = reportSecondsOf(request)
  if (reportSeconds < 0.1 || reportSeconds > 3600)
    violations.push({ field: 'report_interval', description: 'must be 0.1 s to 1 h' })
  if (request.interface !== '' && !interfaces.list().some(({ name }) => name === request.interface)) {
    const names = interfaces.list().map(({ name }) => name)
    violations.push({
      field: 'interface',
      description: `"${request.interface}" is not one of ${names.join(', ')}`,
    })
  }
  return violations
}

export const createPingService = (
  deps: Deps,
  options: AgentOptions,
): Pick<PingServiceImplementation, 'ping'> => {
  const { clock, interfaces } = deps

  const admit = async (request: PingRequest, signal: AbortSignal) => {
    deps.draining.throwIfDraining()
    const { engine, version } = await deps.engines.ping(request.engine, signal)
    throwIfInvalid('the ping request', [...violationsOf(request, interfaces), ...engine.validate(request)])
    interfaces.throwIfDown(request.interface)
    const limits = limitsOf(options, interfaces)
    checkTargetLimit(limits, request.targets.length)
    const split = splitTargets(request, limits)
    const plan = planPing(split.allowed)
    const maxSeconds = boundedPingSeconds(limits, plan)
    return {
      engine,
      version,
      ...split,
      maxSeconds,
      release: deps.probeCeiling.lease(limits, probeLoadOf(plan)),
    }
  }

  return {
    async *ping(request, context): AsyncGenerator<PingResponse> {
      const stream = deps.draining.track(context.signal)
      const over = new AbortController()
      let release: (() => void) | undefined
      try {
        const admitted = await admit(request, stream.signal)
        const { engine, version, allowed, indices, refused, maxSeconds } = admitted
        release = admitted.release
        const signal = AbortSignal.any([stream.signal, over.signal])
        void clock.sleep(maxSeconds, signal).then(
          () => over.abort(),
          () => undefined,
        )
        const windows = request.targets.map(() => createStatistics())
        const totals = request.targets.map((_, index) => createTargetResult(index))
        const record = (probe: PingProbe) => {
          deps.probes[probe.rttSeconds === undefined ? 'lost' : 'answered']++
          const index = indices[probe.targetIndex]!
          windows[index]!.add(probe)
          totals[index]!.add(probe)
        }
        const source = { interface: request.interface, addresses: interfaces.addressesOf(request.interface) }
        let engineError: EngineError | undefined
        const probing = (async () => {
          for await (const probe of engine.ping(allowed, source, signal)) record(probe)
        })().catch((error) => {
          // A ping that has no end of its own ends with the longest time that the agent allows.
          if (over.signal.aborted && !stream.signal.aborted) return
          if (!(error instanceof EngineError)) throw error
          engineError = error
        })
        // Before the first message: a failure must be handled also when the caller cancels during that message.
        const isRunning = createReportTimer(probing, clock, stream.signal)
        const shortageOf = deps.cpuShortage.begin()
        let windowStart = clock.now()
        yield { event: { $case: 'started', value: { engine: version, startTime: toTimestamp(windowStart) } } }
        const reportSeconds = reportSecondsOf(request)
        for (let running = true; running; ) {
          running = await isRunning(reportSeconds)
          const end = clock.now()
          for (let first = 0; first < windows.length; first += TARGETS_AT_ONCE) {
            const taken = takeWindows(windows, first, windowStart, end)
            if (taken.length > 0) yield { event: { $case: 'windows', value: { windows: taken } } }
            if (windows.length > TARGETS_AT_ONCE) await clock.yield()
          }
          windowStart = end
        }
        const cpuShortage = shortageOf()
        const results: PingResult[] = []
        for (const [index, total] of totals.entries()) {
          results.push(refused.get(index) ?? withEngineError({ ...total.result(), cpuShortage }, engineError))
          if (index % TARGETS_AT_ONCE === TARGETS_AT_ONCE - 1) await clock.yield()
        }
        yield { event: { $case: 'summary', value: { results } } }
      } finally {
        over.abort()
        release?.()
        stream.end()
      }
    },
  }
}

/**
 * The request with the targets that this agent may measure, their positions in the whole request, and the results of the
 * others, by position.
 * @throws OperatingError PEER_NOT_ALLOWED when it may measure none
 */
const splitTargets = (request: PingRequest, limits: Limits) => {
  const refusalOf = peerRefusals(limits)
  const refused = new Map<number, PingResult>()
  for (const [targetIndex, { address }] of request.targets.entries()) {
    const refusal = refusalOf(address)
    if (refusal === '') continue
    const reason = `${address}: ${refusal}`
    refused.set(
      targetIndex,
      PingResult.fromPartial({ targetIndex, outcome: Outcome.OUTCOME_NOT_RUN, reason }),
    )
  }
  const indices = [...request.targets.keys()].filter((index) => !refused.has(index))
  if (indices.length === 0) {
    checkPeers(
      limits,
      request.targets.map(({ address }) => address),
    )
  }
  return {
    allowed: { ...request, targets: indices.map((index) => request.targets[index]!) },
    indices,
    refused,
  }
}

/** Targets whose figures are derived in one turn of the event loop: 256 cost about 20 ms. */
const TARGETS_AT_ONCE = 256

/** The windows of some targets, from `first` on. */
const takeWindows = (
  targets: readonly ReturnType<typeof createStatistics>[],
  first: number,
  start: Date,
  end: Date,
): PingWindow[] => {
  const [startTime, endTime] = [toTimestamp(start), toTimestamp(end)]
  return targets.slice(first, first + TARGETS_AT_ONCE).flatMap((target, offset) => {
    const statistics = target.take()
    return statistics ? [{ targetIndex: first + offset, startTime, endTime, statistics }] : []
  })
}

/** When the engine failed, no target is measured completely. */
const withEngineError = (result: PingResult, error: EngineError | undefined): PingResult =>
  error
    ? { ...result, outcome: error.outcome, reason: error.message, programFault: error.programFault }
    : result
