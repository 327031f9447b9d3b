import type { Clock } from '../../../lib/clock.ts'
import { type Calls, createCalls } from './calls.ts'
import { createSending, createServing, type Job } from './node-calls.ts'

/** Hundreds of programs on each of many nodes start within this time, or traffic goes on with those that have. */
const START_SECONDS = 120

/** Waits until the first calls work or have failed, but not for ever. */
const settle = (clock: Clock, calls: Iterable<Calls>, signal: AbortSignal): Promise<unknown> => {
  const timer = new AbortController()
  const pause = clock.sleep(START_SECONDS, AbortSignal.any([signal, timer.signal])).catch(() => undefined)
  const all = Promise.all(Array.from(calls, ({ settled }) => settled))
  return Promise.race([all, pause]).finally(() => timer.abort())
}

/** The calls of one traffic: at each node one for all flows that it receives, and one for all that it sends. */
export const createTrafficCalls = (deps: { clock: Clock; random: () => number }, job: Job) => {
  const { clock } = deps
  const { prepared, flows, ends, stopping } = job
  const senders = new Map<string, Calls>()
  let everSent = 0
  const nodeOf = (endpoint: number | undefined) => prepared.endpoints[endpoint!]!.node
  const groups = (endpoints: Int32Array) =>
    Map.groupBy(
      Array.from(endpoints, (_, flow) => flow),
      (flow) => nodeOf(endpoints[flow]),
    )
  const isUsable = (flow: number, side: 'server' | 'client'): boolean => {
    const problem = ends.problem(flow, side)
    if (problem) flows.lost(flow, side, problem)
    return problem === ''
  }
  const onServed = (flow: number, moved: boolean) => {
    const sender = senders.get(nodeOf(prepared.sources[flow]))
    if (moved) sender?.reopen(flow)
    else sender?.wake()
  }
  const receivers = [...groups(prepared.destinations)].map(([node, list]) => {
    const isDue = (flow: number) => isUsable(flow, 'server')
    return createCalls(deps, { flows: list, isDue, call: createServing(job, node, onServed) }, stopping)
  })
  const startSender = (node: string, list: readonly number[]) => {
    const isDue = (flow: number) => flows.isServed(flow) && isUsable(flow, 'client')
    const send = createSending(job, node, (count) => {
      everSent += count
    })
    senders.set(node, createCalls(deps, { flows: list, isDue, call: send }, stopping))
  }
  return {
    /**
     * The receivers first, then the senders: who finds no server would be counted as a restart.
     * @returns how many flows have been started
     */
    async begin(): Promise<number> {
      await settle(clock, receivers, stopping)
      if (stopping.aborted) return everSent
      for (const [node, list] of groups(prepared.sources)) startSender(node, list)
      await settle(clock, senders.values(), stopping)
      return everSent
    },
    /** Resolves when every call has ended, once the traffic is being stopped. */
    async ended(): Promise<void> {
      await Promise.all([...receivers, ...senders.values()].map(({ done }) => done))
    },
  }
}
