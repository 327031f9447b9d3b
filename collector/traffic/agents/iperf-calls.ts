import { Direction, type RunResponse, type ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission } from '#proto/meshgauge/agent/v1/types.ts'
import { fromClientError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { callFailureOf } from '../../dispatch/call-failure.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import { trafficOptionsMessage } from '../assign/traffic-spec-message.ts'
import type { CallSupervisorOptions } from './call-supervisor.ts'
import type { FlowEndpoints } from './flow-endpoints.ts'
import type { FlowReports, FlowSide } from './flow-reports.ts'

/** About 23 days, close to the longest time of a timer. A call that has lasted this long is opened again. */
const DEADLINE_MS = 2_000_000_000
/** Attempts to get the previous port. An agent that restarted may find it in use, and then takes another one. */
const SAME_PORT_ATTEMPTS = 3

/** Shared by all calls of one traffic. */
export type TrafficCallContext = {
  deps: { fleet: Pick<Fleet, 'connection'>; logger: Logger }
  /** The id of the traffic. */
  label: string
  prepared: PreparedTraffic
  reports: FlowReports
  endpoints: FlowEndpoints
  /** Aborted when the traffic ends. After that, calls that end are not reported as lost. */
  stopping: AbortSignal
}

type OpenCall = CallSupervisorOptions['call']

type FlowEvent = (ServeResponse | RunResponse)['event']

/** Returns a function that opens Serve on one node, for flows that it receives. */
export const createServeCall = (
  context: TrafficCallContext,
  node: string,
  onServing: (flow: number, hasMoved: boolean) => void,
): OpenCall => {
  const { deps, reports, endpoints, prepared } = context
  let portFailures = 0
  return async (flows, onStarted, signal) => {
    const request = {
      ...commonRequest(context),
      listeners: flows.map((flow) => ({
        interface: endpoints.destination(flow).interface,
        address: endpoints.addresses(flow)!.destination,
        // The clients of the peers connect to the previous port.
        port: portFailures < SAME_PORT_ATTEMPTS ? reports.portOf(flow) : 0,
      })),
      ports: prepared.spec.ports,
      direction: Direction.DIRECTION_FORWARD,
      interval: toDuration(prepared.spec.intervalSeconds),
    }
    const read = ({ event }: ServeResponse): boolean => {
      if (event?.$case !== 'started') {
        reportFlowEvent(reports, flows, 'server', event)
        return false
      }
      portFailures = 0
      for (const [index, { address, port }] of event.value.listeners.entries()) {
        const flow = flows[index]!
        const [lastPort, lastAddress] = [reports.portOf(flow), reports.addressOf(flow)]
        reports.onServing(flow, address, port)
        onServing(flow, lastPort > 0 && (lastPort !== port || lastAddress !== address))
      }
      onStarted()
      return true
    }
    const call = { signal, deadline: DEADLINE_MS }
    const open = () => deps.fleet.connection(node).iperf.serve(request, call)
    const { problem, error } = await followCall(context, node, open, read)
    portFailures = fromClientError(error)?.reason === 'PORTS_EXHAUSTED' ? portFailures + 1 : 0
    reportLost(context, flows, 'server', problem)
  }
}

/** Returns a function that opens Run on one node, for flows that it sends. */
export const createRunCall =
  (context: TrafficCallContext, node: string, onSending: (count: number) => void): OpenCall =>
  async (flows, onStarted, signal) => {
    const { deps, reports, endpoints, prepared } = context
    const request = {
      ...commonRequest(context),
      flows: flows.map((flow) => ({
        address: reports.addressOf(flow),
        port: reports.portOf(flow),
        interface: endpoints.source(flow).interface,
        sourceAddress: endpoints.addresses(flow)!.source,
      })),
      // The collector ends the traffic: an agent that restarts must not start the duration again.
      options: {
        ...trafficOptionsMessage(prepared.spec.options),
        duration: undefined,
        interval: toDuration(prepared.spec.intervalSeconds),
      },
    }
    const read = ({ event }: RunResponse): boolean => {
      if (event?.$case !== 'started') {
        reportFlowEvent(reports, flows, 'client', event)
        return false
      }
      for (const flow of flows) reports.onSending(flow)
      onSending(flows.length)
      onStarted()
      return true
    }
    const call = { signal, deadline: DEADLINE_MS }
    const open = () => deps.fleet.connection(node).iperf.run(request, call)
    const { problem } = await followCall(context, node, open, read)
    reportLost(context, flows, 'client', problem)
  }

const commonRequest = ({ label }: TrafficCallContext) => ({
  admission: Admission.ADMISSION_SHARED,
  sustained: true,
  label,
})

const reportFlowEvent = (
  reports: FlowReports,
  flows: readonly number[],
  side: FlowSide,
  event: FlowEvent,
): void => {
  if (event?.$case === 'samples')
    for (const sample of event.value.samples) {
      const flow = flows[sample.flowIndex]!
      if (side === 'server') reports.onReceived(flow, sample)
      else reports.onSent(flow, sample)
    }
  else if (event?.$case === 'changes')
    for (const change of event.value.changes) reports.onProgramChange(flows[change.flowIndex]!, side, change)
}

const reportLost = (
  { reports, stopping }: TrafficCallContext,
  flows: readonly number[],
  side: FlowSide,
  problem: string,
): void => {
  if (stopping.aborted) return
  for (const flow of flows) reports.onLost(flow, side, problem)
}

/** Reads a call to its end. Returns why it ended. */
const followCall = async <R>(
  context: TrafficCallContext,
  node: string,
  open: () => AsyncIterable<R>,
  read: (response: R) => boolean,
): Promise<{ problem: string; error: unknown }> => {
  let hasStarted = false
  try {
    for await (const response of open()) hasStarted = read(response) || hasStarted
    return { problem: `the agent of ${node} ended its stream`, error: undefined }
  } catch (error) {
    return { problem: problemText(context, error, node, hasStarted), error }
  }
}

const problemText = (
  { deps }: TrafficCallContext,
  error: unknown,
  node: string,
  hasStarted: boolean,
): string => {
  try {
    return callFailureOf(error, node, hasStarted).reason
  } catch (bug) {
    deps.logger.error({ err: bug, node }, 'a call of sustained traffic failed because of a bug')
    return `${node}: internal error`
  }
}
