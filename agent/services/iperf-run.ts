import type { Flow, IperfSample, RunRequest, RunResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { fromDuration, toTimestamp } from '../../lib/protobuf-time.ts'
import { claimsOf } from '../admission.ts'
import type { IperfEngine } from '../engines/engine.ts'
import type { HostSamplingSession } from '../host/sampling-session.ts'
import { addressViolations, checkBitrateLimit, checkFlowLimits, checkPeers, limitsOf } from '../limits.ts'
import type { AgentOptions } from '../options.ts'
import { follow } from './follow.ts'
import { type CallerContext, type IperfDeps as Deps, resolveEnd } from './iperf-end.ts'

/** Samples wait at most this long, so that many flows cost few messages and a person still sees them move. */
const FLUSH_SECONDS = 0.1

export async function* run(
  deps: Deps,
  options: AgentOptions,
  request: RunRequest,
  context: CallerContext,
): AsyncGenerator<RunResponse> {
  const stream = deps.draining.track(context.signal)
  const stop = new AbortController()
  const signal = AbortSignal.any([stream.signal, stop.signal])
  let release: (() => void) | undefined
  let story: HostSamplingSession | undefined
  let ended: Promise<unknown> = Promise.resolve()
  try {
    deps.draining.throwIfDraining()
    const { engine, version } = await deps.engines.iperf(request.engine, stream.signal)
    const flows = admitFlows(deps, options, engine, request)
    const claims = claimsOf(
      'client',
      request.options?.direction ?? 0,
      flows.map((flow) => flow.interface),
    )
    release = deps.admission.claim(claims, request.admission, context.peer)
    story = await deps.hostSampling.begin(request.hostSampling, signal)
    yield {
      event: { $case: 'started', value: { engine: version, startTime: toTimestamp(deps.clock.now()) } },
    }

    let samples: IperfSample[] = []
    const clients = flows.map(async (flow, flowIndex) => {
      for await (const event of engine.run(flow, request.options, signal)) {
        if (event.kind === 'result') return event.result
        samples.push({ ...event.sample, flowIndex })
      }
      throw new Error(`engine ${engine.name} ended a flow without a result`)
    })
    const finished = Promise.all(clients)
    ended = Promise.allSettled([...clients, finished])
    const isRunning = follow(finished, deps.clock, signal)
    for (let running = true; running; ) {
      running = await isRunning(FLUSH_SECONDS)
      const batch = samples
      samples = []
      if (batch.length > 0) yield { event: { $case: 'samples', value: { samples: batch } } }
      const host = running ? story.take() : await story.end()
      if (host) yield { event: { $case: 'hostSamples', value: host } }
    }
    yield { event: { $case: 'summary', value: { results: await finished } } }
  } finally {
    stop.abort()
    await ended
    await story?.close()
    release?.()
    stream.end()
  }
}

/** The flows with their interfaces and source addresses filled in; throws what is wrong with the request. */
export const admitFlows = (
  deps: Deps,
  options: AgentOptions,
  engine: IperfEngine,
  request: RunRequest,
): Flow[] => {
  const addresses = request.flows.map(({ address }) => address)
  const ends = request.flows.map((flow, index) => {
    const family = flow.address.includes(':') ? 6 : 4
    return resolveEnd(deps.interfaces, flow.interface, flow.sourceAddress, family, `flows[${index}]`)
  })
  throwIfInvalid('the run request', [
    ...(request.flows.length === 0 ? [{ field: 'flows', description: 'at least one flow is needed' }] : []),
    ...addressViolations(addresses, (index) => `flows[${index}].address`),
    ...ends.flatMap((end) => end.violations),
    ...engine.validateRun(request.flows, request.options),
    ...deps.hostSampling.violations(request.hostSampling),
  ])
  const limits = limitsOf(options, deps.interfaces)
  const { duration, omit } = request.options ?? {}
  // What is kept up is a succession of tests, none longer than the limit.
  const seconds = request.sustained ? 0 : (fromDuration(duration) ?? 0) + (fromDuration(omit) ?? 0)
  checkFlowLimits(limits, request.flows.length, seconds)
  checkBitrateLimit(limits, request.options)
  checkPeers(limits, addresses)
  return request.flows.map((flow, index) => ({
    ...flow,
    interface: ends[index]!.interface || deps.interfaces.towards(flow.address) || '',
    sourceAddress: ends[index]!.address,
  }))
}
