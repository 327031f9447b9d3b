import { type Plan, type PlanInput, roundOf } from '../plan/plan.ts'

/**
 * Decides which pairs start now. In plan order and without barriers: a pair starts as soon as its resources are free
 * and it is next at both of its nodes. Keeping each node's own order keeps the plan's shape, which makes the rounds
 * fit; a pair is taken out of turn only when both of its nodes have stood idle for `patienceSeconds`, so that a slow
 * or hanging pair does not hold up the rest.
 */
export type Order = {
  /** Takes the pairs that start now. `now` in seconds of a clock that never steps. */
  take(now: number): number[]
  /**
   * How long ago a pair that was taken could have started, in seconds: since the last thing that it needed came free.
   * What is out of turn was held back on purpose, and is not late.
   */
  lagSeconds(pair: number, now: number): number
  /** Gives back the resources of a pair that was taken. */
  finish(pair: number, now: number): void
  /** Pairs not yet taken. */
  readonly waiting: number
  /** All pairs not yet taken, for when the run ends early. */
  rest(): number[]
}

/** What one node sends, or what it receives. */
type Side = {
  /** Pairs in plan order; everything before `next` is taken. */
  queue: number[]
  next: number
  busy: number
  idleSince: number
}

export const createOrder = (
  input: PlanInput,
  plan: Plan,
  options: { patienceSeconds: number; skip?: ReadonlySet<number> },
): Order => {
  const { fleet, pairs, caps } = input
  const { endpointNode, nodeRack } = fleet
  const sourceNode = (pair: number) => endpointNode[pairs.sources[pair]!]!
  const destinationNode = (pair: number) => endpointNode[pairs.destinations[pair]!]!

  const createSide = (): Side => ({ queue: [], next: 0, busy: 0, idleSince: Number.NEGATIVE_INFINITY })
  const sends = fleet.nodes.map(createSide)
  const receives = fleet.nodes.map(createSide)
  const round = new Int32Array(plan.pairCount)
  const taken = new Uint8Array(plan.pairCount)
  const endpointBusy = {
    sends: new Uint8Array(endpointNode.length),
    receives: new Uint8Array(endpointNode.length),
  }
  const uplinkBusy = { out: new Int32Array(fleet.racks.length), in: new Int32Array(fleet.racks.length) }
  const never = () => new Float64Array(fleet.racks.length).fill(Number.NEGATIVE_INFINITY)
  const uplinkFreed = { out: never(), in: never() }
  let freed = Number.NEGATIVE_INFINITY
  /** The first end since the last look. */
  let freedSinceLook: number | undefined
  /** Since when each pair that was taken could start. */
  const startable = new Float64Array(plan.pairCount)
  let running = 0
  let waiting = 0

  for (let index = 0; index < plan.roundCount; index++) {
    for (const pair of roundOf(plan, index)) {
      round[pair] = index
      if (options.skip?.has(pair)) {
        taken[pair] = 1
        continue
      }
      sends[sourceNode(pair)]!.queue.push(pair)
      receives[destinationNode(pair)]!.queue.push(pair)
      waiting++
    }
  }

  const crosses = (pair: number): [from: number, to: number] | undefined => {
    const from = nodeRack[sourceNode(pair)]!
    const to = nodeRack[destinationNode(pair)]!
    return from >= 0 && to >= 0 && from !== to ? [from, to] : undefined
  }

  const fits = (pair: number): boolean => {
    const source = sourceNode(pair)
    const destination = destinationNode(pair)
    if (running >= caps.total) return false
    if (endpointBusy.sends[pairs.sources[pair]!] || endpointBusy.receives[pairs.destinations[pair]!])
      return false
    if (sends[source]!.busy >= caps.perNode || receives[destination]!.busy >= caps.perNode) return false
    if (caps.exclusiveNodes) {
      const busy = [source, destination].some((node) => sends[node]!.busy + receives[node]!.busy > 0)
      if (busy) return false
    }
    const racks = crosses(pair)
    return !racks || (uplinkBusy.out[racks[0]]! < caps.perUplink && uplinkBusy.in[racks[1]]! < caps.perUplink)
  }

  const occupy = (pair: number, by: 1 | -1): void => {
    running += by
    endpointBusy.sends[pairs.sources[pair]!]! += by
    endpointBusy.receives[pairs.destinations[pair]!]! += by
    sends[sourceNode(pair)]!.busy += by
    receives[destinationNode(pair)]!.busy += by
    const racks = crosses(pair)
    if (!racks) return
    uplinkBusy.out[racks[0]]! += by
    uplinkBusy.in[racks[1]]! += by
  }

  /** The round that is next at one side of a node; Infinity when nothing waits there. */
  const nextRound = (side: Side): number => {
    while (side.next < side.queue.length && taken[side.queue[side.next]!]) side.next++
    return side.next < side.queue.length ? round[side.queue[side.next]!]! : Number.POSITIVE_INFINITY
  }

  const isNext = (pair: number): boolean => {
    const own = round[pair]!
    const inTurn =
      own <= nextRound(sends[sourceNode(pair)]!) && own <= nextRound(receives[destinationNode(pair)]!)
    if (!caps.exclusiveNodes || !inTurn) return inTurn
    return own <= nextRound(receives[sourceNode(pair)]!) && own <= nextRound(sends[destinationNode(pair)]!)
  }

  /** What could start at the last look was taken then: it began to wait for us at an end since then, or not at all. */
  const startableSince = (pair: number, now: number): number => {
    const [source, destination] = [sourceNode(pair), destinationNode(pair)]
    const sides = [sends[source]!, receives[destination]!]
    if (caps.exclusiveNodes) sides.push(receives[source]!, sends[destination]!)
    const idle = Math.max(...sides.map(({ idleSince }) => idleSince))
    const racks = Number.isFinite(caps.perUplink) ? crosses(pair) : undefined
    const uplinks = racks ? [uplinkFreed.out[racks[0]]!, uplinkFreed.in[racks[1]]!] : []
    const total = Number.isFinite(caps.total) ? [freed] : []
    return Math.max(freedSinceLook ?? now, idle, ...uplinks, ...total)
  }

  /** One look at what every node sends next. */
  const takeOnce = (now: number): number[] => {
    const started: number[] = []
    const idleLongEnough = (side: Side) => side.busy === 0 && now - side.idleSince >= options.patienceSeconds
    for (const side of sends) {
      const first = nextRound(side)
      const impatient = idleLongEnough(side)
      for (let index = side.next; index < side.queue.length; index++) {
        const pair = side.queue[index]!
        if (taken[pair]) continue
        if (round[pair]! > first && !impatient) break
        if (!fits(pair)) continue
        const inTurn = isNext(pair)
        if (!inTurn && !(impatient && idleLongEnough(receives[destinationNode(pair)]!))) continue
        startable[pair] = inTurn ? startableSince(pair, now) : now
        taken[pair] = 1
        waiting--
        occupy(pair, 1)
        started.push(pair)
        if (side.busy >= caps.perNode) break
      }
    }
    return started
  }

  const take = (now: number): number[] => {
    const started = takeOnce(now)
    // Where a node may have several tests, one that starts may make it the turn of another that was looked at before.
    let last = started
    while (caps.perNode > 1 && last.length > 0) {
      last = takeOnce(now)
      started.push(...last)
    }
    freedSinceLook = undefined
    return started
  }

  return {
    take,
    finish(pair, now) {
      occupy(pair, -1)
      sends[sourceNode(pair)]!.idleSince = now
      receives[destinationNode(pair)]!.idleSince = now
      freed = now
      freedSinceLook ??= now
      const racks = crosses(pair)
      if (!racks) return
      uplinkFreed.out[racks[0]] = now
      uplinkFreed.in[racks[1]] = now
    },
    lagSeconds: (pair, now) => now - startable[pair]!,
    get waiting() {
      return waiting
    },
    rest: () => [...plan.order].filter((pair) => !taken[pair]),
  }
}
