import { Direction, type RunResponse, type ServeResponse } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Admission } from '#proto/meshgauge/agent/v1/types.ts'
import { fromClientError } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/logging.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { callFailureOf } from '../../dispatch/call-failure.ts'
import type { Fleet } from '../../inventory/fleet.ts'
import type { PreparedTraffic } from '../assign/prepare.ts'
import type { Flows } from '../state/flows.ts'
import type { FlowEndpoints } from './flow-endpoints.ts'

/** About 23 days: the longest that a timer can hold. A call that is so old is opened again like one that was lost. */
const DEADLINE_MS = 2_000_000_000
/** An agent that came back may find a port taken that it had; after so many tries it takes others. */
const SAME_PORT_TRIES = 3

/** What all calls of one traffic share. */
export type Job = {
  deps: { fleet: Pick<Fleet, 'connection'>; logger: Logger }
  /** The traffic's id. */
  label: string
  prepared: PreparedTraffic
  flows: Flows
  ends: FlowEndpoints
  /** Aborted when the traffic ends: then no flow is lost. */
  stopping: AbortSignal
}

/** What became of a call that has ended, in words for people. */
const troubleText = ({ deps }: Job, error: unknown, node: string, begun: boolean): string => {
  try {
    return callFailureOf(error, node, begun).reason
  } catch (bug) {
    deps.logger.error({ err: bug, node }, 'a call of sustained traffic failed because of a bug')
    return `${node}: internal error`
  }
}

/** Follows a call to its end; gives why it ended. */
const follow = async <R>(
  job: Job,
  node: string,
  open: () => AsyncIterable<R>,
  read: (response: R) => boolean,
): Promise<{ trouble: string; error: unknown }> => {
  let begun = false
  try {
    for await (const response of open()) begun = read(response) || begun
    return { trouble: `the agent of ${node} ended its stream`, error: undefined }
  } catch (error) {
    return { trouble: troubleText(job, error, node, begun), error }
  }
}

/** Opens Serve on one node for flows that it receives. */
export const createServing = (job: Job, node: string, onServed: (flow: number, moved: boolean) => void) => {
  const { deps, flows, ends, prepared, label } = job
  let portTrouble = 0
  return async (list: readonly number[], begun: () => void, signal: AbortSignal): Promise<void> => {
    const request = {
      listeners: list.map((flow) => ({
        interface: ends.destination(flow).interface,
        address: ends.addresses(flow)!.destination,
        // Peers' clients look for it where it was.
        port: portTrouble < SAME_PORT_TRIES ? flows.port(flow) : 0,
      })),
      ports: prepared.spec.ports,
      admission: Admission.ADMISSION_SHARED,
      direction: Direction.DIRECTION_FORWARD,
      sustained: true,
      interval: toDuration(prepared.intervalSeconds),
      label,
    }
    const read = ({ event }: ServeResponse): boolean => {
      if (event?.$case === 'started') {
        portTrouble = 0
        for (const [index, { address, port }] of event.value.listeners.entries()) {
          const flow = list[index]!
          const moved = flows.port(flow) > 0 && (flows.port(flow) !== port || flows.address(flow) !== address)
          flows.served(flow, address, port)
          onServed(flow, moved)
        }
        begun()
        return true
      }
      if (event?.$case === 'samples') {
        for (const sample of event.value.samples) flows.received(list[sample.flowIndex]!, sample)
      } else if (event?.$case === 'changes') {
        for (const change of event.value.changes) flows.changed(list[change.flowIndex]!, 'server', change)
      }
      return false
    }
    const call = { signal, deadline: DEADLINE_MS }
    const open = () => deps.fleet.connection(node).iperf.serve(request, call)
    const { trouble, error } = await follow(job, node, open, read)
    portTrouble = fromClientError(error)?.reason === 'PORTS_EXHAUSTED' ? portTrouble + 1 : 0
    if (job.stopping.aborted) return
    for (const flow of list) flows.lost(flow, 'server', trouble)
  }
}

/** Opens Run on one node for flows that it sends. */
export const createSending =
  (job: Job, node: string, onSending: (count: number) => void) =>
  async (list: readonly number[], begun: () => void, signal: AbortSignal): Promise<void> => {
    const { deps, flows, ends, prepared, label } = job
    const request = {
      flows: list.map((flow) => ({
        address: flows.address(flow),
        port: flows.port(flow),
        interface: ends.source(flow).interface,
        sourceAddress: ends.addresses(flow)!.source,
      })),
      // How long it goes on is the collector's to say: an agent that came back does not start anew.
      options: {
        ...prepared.spec.options,
        duration: undefined,
        interval: toDuration(prepared.intervalSeconds),
      },
      admission: Admission.ADMISSION_SHARED,
      sustained: true,
      label,
    }
    const read = ({ event }: RunResponse): boolean => {
      if (event?.$case === 'started') {
        for (const flow of list) flows.sending(flow)
        onSending(list.length)
        begun()
        return true
      }
      if (event?.$case === 'samples') {
        for (const sample of event.value.samples) flows.sent(list[sample.flowIndex]!, sample)
      } else if (event?.$case === 'changes') {
        for (const change of event.value.changes) flows.changed(list[change.flowIndex]!, 'client', change)
      }
      return false
    }
    const call = { signal, deadline: DEADLINE_MS }
    const { trouble } = await follow(
      job,
      node,
      () => deps.fleet.connection(node).iperf.run(request, call),
      read,
    )
    if (job.stopping.aborted) return
    for (const flow of list) flows.lost(flow, 'client', trouble)
  }
