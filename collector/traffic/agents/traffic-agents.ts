import type { Clock } from '../../../lib/clock.ts'
import { CallSupervisor, type CallSupervisorDeps } from './call-supervisor.ts'
import type { FlowSide } from './flow-reports.ts'
import { createRunCall, createServeCall, type TrafficCallContext } from './iperf-calls.ts'

/** Hundreds of programs on each of many nodes start within this time. Afterwards, traffic continues with the programs
 * that have started. */
const START_SECONDS = 120

/** The calls of one traffic to all of its agents: Serve on each node that receives, Run on each node that sends. */
export class TrafficAgents {
  readonly #deps: CallSupervisorDeps
  readonly #context: TrafficCallContext
  readonly #receivers: readonly CallSupervisor[]
  readonly #senders = new Map<string, CallSupervisor>()
  #startedFlowCount = 0

  constructor(deps: CallSupervisorDeps, context: TrafficCallContext) {
    this.#deps = deps
    this.#context = context
    this.#receivers = [...this.#flowsByNode(context.prepared.destinations)].map(([node, flows]) =>
      this.#superviseReceiver(node, flows),
    )
  }

  /**
   * Starts the senders when the receivers listen: a client that finds no server would count as a restart.
   * @returns the number of flows that were started
   */
  async start(): Promise<number> {
    const { prepared, stopping } = this.#context
    const { clock } = this.#deps
    let haveSettled = false
    // An overloaded fleet takes longer. A call that was neither refused nor lost is not a failure.
    do haveSettled = await settledOrTimeout(clock, this.#receivers, stopping)
    while (!haveSettled && !this.#isAnyServing())
    if (stopping.aborted) return this.#startedFlowCount
    for (const [node, flows] of this.#flowsByNode(prepared.sources))
      this.#senders.set(node, this.#superviseSender(node, flows))
    do haveSettled = await settledOrTimeout(clock, this.#senders.values(), stopping)
    while (!haveSettled && this.#startedFlowCount === 0)
    return this.#startedFlowCount
  }

  /** Resolves when every call has ended, after the traffic was stopped. */
  async ended(): Promise<void> {
    await Promise.all([...this.#receivers, ...this.#senders.values()].map(({ done }) => done))
  }

  #superviseReceiver(node: string, flows: readonly number[]): CallSupervisor {
    return new CallSupervisor(this.#deps, {
      flows,
      isReady: (flow) => this.#isUsable(flow, 'server'),
      call: createServeCall(this.#context, node, (flow, hasMoved) => this.#onServing(flow, hasMoved)),
      signal: this.#context.stopping,
    })
  }

  #superviseSender(node: string, flows: readonly number[]): CallSupervisor {
    const { reports, stopping } = this.#context
    return new CallSupervisor(this.#deps, {
      flows,
      isReady: (flow) => reports.isServing(flow) && this.#isUsable(flow, 'client'),
      call: createRunCall(this.#context, node, (count) => {
        this.#startedFlowCount += count
      }),
      signal: stopping,
    })
  }

  /** A client whose server has moved needs a new call, with the new address. */
  #onServing(flow: number, hasMoved: boolean): void {
    const { prepared } = this.#context
    const sender = this.#senders.get(this.#nodeOf(prepared.sources[flow]!))
    if (hasMoved) sender?.reopen(flow)
    else sender?.wake()
  }

  #isUsable(flow: number, side: FlowSide): boolean {
    const { endpoints, reports } = this.#context
    const problem = endpoints.problem(flow, side)
    if (problem) reports.onLost(flow, side, problem)
    return problem === ''
  }

  #isAnyServing(): boolean {
    const { prepared, reports } = this.#context
    return prepared.sources.some((_, flow) => reports.isServing(flow))
  }

  #nodeOf(endpoint: number): string {
    return this.#context.prepared.endpoints[endpoint]!.node
  }

  #flowsByNode(endpoints: Int32Array): Map<string, number[]> {
    const flows = Array.from(endpoints, (_, flow) => flow)
    return Map.groupBy(flows, (flow) => this.#nodeOf(endpoints[flow]!))
  }
}

/** Resolves true when the first calls work or have failed, or the signal aborts; false after START_SECONDS. */
const settledOrTimeout = (
  clock: Clock,
  supervisors: Iterable<CallSupervisor>,
  signal: AbortSignal,
): Promise<boolean> => {
  const timer = new AbortController()
  const pause = clock.sleep(START_SECONDS, AbortSignal.any([signal, timer.signal])).then(
    () => false,
    () => true,
  )
  const all = Promise.all(Array.from(supervisors, ({ settled }) => settled)).then(() => true)
  return Promise.race([all, pause]).finally(() => timer.abort())
}
