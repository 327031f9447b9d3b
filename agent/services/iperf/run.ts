import {
  Direction,
  type Flow,
  IperfOptions,
  IperfResult,
  type RunRequest,
  type RunResponse,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome, type ProgramFault } from '#proto/meshgauge/agent/v1/types.ts'
import { throwIfInvalid } from '../../../lib/errors.ts'
import { fromDuration, toTimestamp } from '../../../lib/protobuf-time.ts'
import { claimsOf } from '../../admission.ts'
import { boundedOptions } from '../../ceilings.ts'
import type { IperfEngine } from '../../engines/engine.ts'
import { addressViolations, checkPeers, limitsOf } from '../../limits.ts'
import type { AgentOptions } from '../../options.ts'
import { type CallerContext, type IperfDeps, resolveEndpoint } from './endpoint.ts'
import { createFlowUpdates } from './flow-updates.ts'
import { countInterface, speedFault } from './interface-bytes.ts'
import { iperfStream, type Sending } from './stream.ts'
import { runSustained, SUSTAINED_FLUSH_SECONDS, sustainedRunViolations } from './sustained.ts'

/** Longest time that samples wait: short for a person who watches, and long enough to batch the samples of many flows. */
const FLUSH_SECONDS = 0.1

/** Starts a client for each flow. The stream ends with the last test, or when the duration of sustained traffic is over. */
export const handleRun = (
  deps: IperfDeps,
  options: AgentOptions,
  request: RunRequest,
  context: CallerContext,
): AsyncGenerator<RunResponse> => {
  const { sustained } = request
  const updates = createFlowUpdates({ everySample: !sustained })
  const flushSeconds = sustained ? SUSTAINED_FLUSH_SECONDS : FLUSH_SECONDS
  return iperfStream(deps, context, { updates, flushSeconds }, async (lease) => {
    const { engine, version } = await deps.engines.iperf(request.engine, lease.signal)
    const { flows, bounded } = admitFlows(deps, options, engine, request)
    const interfaces = flows.map((flow) => flow.interface)
    const claims = claimsOf('client', bounded.direction, interfaces)
    const seconds = expectedSecondsOf(sustained, bounded)
    lease.onEnd(deps.admission.claim(claims, request.admission, context.peer, seconds))
    if (sustained) lease.onEnd(deps.trafficLabels.register(request.label))
    await lease.sampleHost(request.hostSampling)
    const { maxDurationSeconds } = options
    const sending: Sending = {
      ...{ deps, engine, flows, updates, lease, maxDurationSeconds },
      request: { ...request, options: bounded },
    }
    const { results } = sustained ? runSustained(sending) : runOnce(sending)
    const startTime = toTimestamp(deps.clock.now())
    const started: RunResponse = { event: { $case: 'started', value: { engine: version, startTime } } }
    return { started, results }
  })
}

/** Expected length of the test with its warm-up; undefined when it does not depend on time. */
const expectedSecondsOf = (
  sustained: boolean,
  { bytes, duration, omit }: IperfOptions,
): number | undefined =>
  sustained || bytes !== undefined ? undefined : (fromDuration(duration) ?? 0) + (fromDuration(omit) ?? 0)

/**
 * Returns the flows with interface and source address filled in, and the options within the agent's ceilings.
 * @throws OperatingError naming everything that is wrong with the request
 */
const admitFlows = (
  deps: IperfDeps,
  options: AgentOptions,
  engine: IperfEngine,
  request: RunRequest,
): { flows: Flow[]; bounded: IperfOptions } => {
  const addresses = request.flows.map(({ address }) => address)
  const endpoints = request.flows.map((flow, index) =>
    resolveEndpoint(deps.interfaces, flow.interface, flow.sourceAddress, flow.address, `flows[${index}]`),
  )
  throwIfInvalid('the run request', [
    ...(request.flows.length === 0 ? [{ field: 'flows', description: 'at least one flow is needed' }] : []),
    ...addressViolations(addresses, (index) => `flows[${index}].address`),
    ...endpoints.flatMap(({ violations }) => violations),
    ...engine.validateRun(request.flows, request.options),
    ...deps.hostSampling.violations(request.hostSampling),
    ...sustainedRunViolations(engine, request),
  ])
  const limits = limitsOf(options, deps.interfaces)
  const given = request.options ?? IperfOptions.fromPartial({})
  const bounded = boundedOptions(limits, given, {
    flowCount: request.flows.length,
    sustained: request.sustained,
    limitsRate: engine.limitsRate,
  })
  checkPeers(limits, addresses)
  const flows = request.flows.map((flow, index) => ({
    ...flow,
    interface: endpoints[index]!.interface || deps.interfaces.towards(flow.address) || '',
    sourceAddress: endpoints[index]!.address,
  }))
  return { flows, bounded }
}

/** Returns the result with what the interface counted; INVALID when the program's own counts contradict that. */
const checkedResult = async (
  result: IperfResult,
  options: IperfOptions | undefined,
  tooFast: ProgramFault | undefined,
  check: ReturnType<typeof countInterface>,
  signal: AbortSignal,
): Promise<IperfResult> => {
  const isReverse = options?.direction === Direction.DIRECTION_REVERSE
  const claim = isReverse
    ? { receivedBytes: result.receivedBytes }
    : { sentBytes: result.sentBytes, streamCount: options?.parallelCount || 1 }
  const { counted, programFault = tooFast } = await check(claim, signal)
  const interfaceBytes = {
    interfaceSentBytes: counted?.sentBytes,
    interfaceReceivedBytes: counted?.receivedBytes,
  }
  if (!programFault) return { ...result, ...interfaceBytes }
  return IperfResult.fromPartial({
    outcome: Outcome.OUTCOME_INVALID,
    reason: `${programFault.program} ${programFault.problem}`,
    programFault,
    ...interfaceBytes,
  })
}

/** Runs one test of each flow. */
const runOnce = ({
  deps,
  engine,
  request,
  flows,
  updates,
  lease,
}: Sending): { results: Promise<IperfResult[]> } => {
  const shortageOf = deps.cpuShortage.begin()
  const clients = flows.map(async (flow, flowIndex) => {
    const check = countInterface(deps, engine.name, engine.bindsDevice ? flow.interface : '')
    for await (const event of engine.run(flow, request.options, lease.signal)) {
      if (event.kind === 'result') {
        const link = deps.interfaces.list().find(({ name }) => name === flow.interface)
        const tooFast = speedFault(engine.name, link, event.result.bitsPerSecond)
        const result = { ...event.result, cpuShortage: shortageOf() }
        return checkedResult(result, request.options, tooFast, check, lease.signal)
      }
      updates.sample({ ...event.sample, flowIndex })
    }
    throw new Error(`engine ${engine.name} ended a flow without a result`)
  })
  for (const client of clients) lease.waitFor(client)
  return { results: Promise.all(clients) }
}
