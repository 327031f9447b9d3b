import type { InjectedFault } from '../checkers/run-verdicts.ts'
import type { Trace } from '../trace.ts'
import type { RandomSource } from '../world/random.ts'
import { AGENT_FAULTS } from './agent-faults.ts'
import { COLLECTOR_FAULTS } from './collector-faults.ts'
import type { FaultContext, FaultKind } from './fault.ts'
import { NETWORK_FAULTS } from './network-faults.ts'

/** Pause between the begins of two faults of one group. */
const PAUSES = {
  network: { least: 60, most: 240 },
  agents: { least: 10, most: 60 },
  collector: { least: 40, most: 240 },
}
/** Before the first fault, everything has been measured for a while. */
const QUIET_SECONDS = 60
/** A network fault begins only this long after the last one has ended: so that the evidence of two faults is not mixed. */
const BETWEEN_SECONDS = 30
/** Of a large fleet, every second in which something is bad costs the judgement of all paths. */
const LARGE_NODES = 100
const LARGE_PAUSE_FACTOR = 5

type Deps = {
  context: FaultContext
  random: (purpose: string) => RandomSource
  sleep: (seconds: number) => Promise<void>
  seconds: () => number
  trace: Trace
  /** Gets every fault when it begins. */
  faults: InjectedFault[]
}

/** Injects faults at random times until `endSeconds`, and ends each of them by then. */
export const injectFaults = async (deps: Deps, endSeconds: number): Promise<void> => {
  const { context, seconds, sleep, trace, faults } = deps
  const nodeCount = context.agents.length
  const busy = new Set<number>()

  const inject = async (kind: FaultKind, random: RandomSource): Promise<void> => {
    const free = Array.from({ length: nodeCount }, (_, node) => node).filter((node) => !busy.has(node))
    if (free.length === 0) return
    const node = random.pick(free)
    const lasts = random.between(kind.seconds.least, kind.seconds.most)
    if (seconds() + lasts > endSeconds) return
    const created = kind.create(context, random, node)
    const fault: InjectedFault = {
      kind: kind.kind,
      ...created,
      beginSeconds: seconds(),
      endSeconds: undefined,
    }
    // A fault that needs another node, such as a cut path, leaves one alone that has its own.
    if (fault.nodes.some((each) => busy.has(each))) return
    for (const each of fault.nodes) busy.add(each)
    const where = fault.nodes.map((each) => `s${each}`).join(' and ') || 'the collector'
    trace.say(`begins for ${lasts.toFixed(1)} s at ${where}: ${kind.kind}`)
    faults.push(fault)
    fault.begin()
    await sleep(lasts)
    await fault.end()
    fault.endSeconds = seconds()
    for (const each of fault.nodes) busy.delete(each)
    trace.say(`ends at ${where}: ${kind.kind}`)
  }

  const keepInjecting = async (
    group: keyof typeof PAUSES,
    kinds: readonly FaultKind[],
    isSerial: boolean,
  ): Promise<void> => {
    const random = deps.random(`faults of ${group}`)
    const factor = nodeCount > LARGE_NODES && group === 'network' ? LARGE_PAUSE_FACTOR : 1
    const running = new Set<Promise<void>>()
    const { least, most } = PAUSES[group]
    for (await sleep(QUIET_SECONDS); seconds() < endSeconds; ) {
      const work = inject(random.pick(kinds), random)
      running.add(work)
      void work.finally(() => running.delete(work))
      if (isSerial) await work
      await sleep((isSerial ? BETWEEN_SECONDS : 0) + factor * random.between(least, most))
    }
    await Promise.all(running)
  }

  await Promise.all([
    keepInjecting('network', NETWORK_FAULTS, true),
    keepInjecting('agents', AGENT_FAULTS, false),
    keepInjecting('collector', COLLECTOR_FAULTS, true),
  ])
}
