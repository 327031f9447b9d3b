import { type Plan, type PlanInput, roundOf } from '../plan/plan.ts'

/** What one node sends, or what it receives. */
type Queue = {
  /** Pairs in plan order; all before `next` have been taken. */
  readonly pairs: number[]
  next: number
  /** Pairs that run now. */
  runningCount: number
  /** When the last pair ended, in seconds. */
  idleSince: number
}

/** Flows that leave and enter each rack now, and when the last of them ended. */
type Uplinks = { out: Int32Array; in: Int32Array; outFreedAt: Float64Array; inFreedAt: Float64Array }

const createQueue = (): Queue => ({
  pairs: [],
  next: 0,
  runningCount: 0,
  idleSince: Number.NEGATIVE_INFINITY,
})

const createUplinks = (rackCount: number): Uplinks => ({
  out: new Int32Array(rackCount),
  in: new Int32Array(rackCount),
  outFreedAt: new Float64Array(rackCount).fill(Number.NEGATIVE_INFINITY),
  inFreedAt: new Float64Array(rackCount).fill(Number.NEGATIVE_INFINITY),
})

/**
 * Decides which pairs start now: in plan order, without barriers between rounds. A pair starts as soon as its resources
 * are free and it is the next pair of both of its nodes. Keeping the order of each node keeps the shape of the plan,
 * which makes the rounds fit. A pair is taken out of order only when both of its nodes have been idle for
 * `patienceSeconds`, so that a slow or hanging pair does not delay the rest.
 */
export class PairOrder {
  readonly #input: PlanInput
  readonly #plan: Plan
  readonly #patienceSeconds: number
  readonly #sends: Queue[]
  readonly #receives: Queue[]
  readonly #round: Int32Array
  readonly #isTaken: Uint8Array
  readonly #endpointSends: Uint8Array
  readonly #endpointReceives: Uint8Array
  readonly #uplinks: Uplinks
  /** Since when each pair that was taken could have started, in seconds. */
  readonly #startableAt: Float64Array
  /** When the last pair ended, and when the first one since the last `take` ended; in seconds. */
  #freedAt = Number.NEGATIVE_INFINITY
  #freedSinceTake: number | undefined
  #runningCount = 0
  #waitingCount = 0

  constructor(
    input: PlanInput,
    plan: Plan,
    options: { patienceSeconds: number; skip?: ReadonlySet<number> },
  ) {
    const { fleet } = input
    this.#input = input
    this.#plan = plan
    this.#patienceSeconds = options.patienceSeconds
    this.#sends = fleet.nodes.map(createQueue)
    this.#receives = fleet.nodes.map(createQueue)
    this.#round = new Int32Array(plan.pairCount)
    this.#isTaken = new Uint8Array(plan.pairCount)
    this.#endpointSends = new Uint8Array(fleet.endpointNode.length)
    this.#endpointReceives = new Uint8Array(fleet.endpointNode.length)
    this.#uplinks = createUplinks(fleet.racks.length)
    this.#startableAt = new Float64Array(plan.pairCount)
    for (let round = 0; round < plan.roundCount; round++) {
      for (const pair of roundOf(plan, round)) this.#enqueue(pair, round, options.skip?.has(pair) ?? false)
    }
  }

  /** The number of pairs that have not been taken. */
  get waitingCount(): number {
    return this.#waitingCount
  }

  /** Takes the pairs that start now. `now` is in seconds of a monotonic clock, as everywhere in this class. */
  take(now: number): number[] {
    const started = this.#takeOnce(now)
    // Where a node may run several tests, one that starts can make it the turn of a pair that was examined before.
    let last = started
    while (this.#input.caps.perNode > 1 && last.length > 0) {
      last = this.#takeOnce(now)
      started.push(...last)
    }
    this.#freedSinceTake = undefined
    return started
  }

  /** Releases the resources of a pair that was taken. */
  finish(pair: number, now: number): void {
    this.#occupy(pair, -1)
    this.#sendsOf(pair).idleSince = now
    this.#receivesOf(pair).idleSince = now
    this.#freedAt = now
    this.#freedSinceTake ??= now
    const racks = this.#racksCrossed(pair)
    if (!racks) return
    this.#uplinks.outFreedAt[racks.from] = now
    this.#uplinks.inFreedAt[racks.to] = now
  }

  /**
   * Returns how long ago a pair that was taken could have started, in seconds: since the last resource that it needed
   * became free. A pair that was taken out of order is not late: it was held back on purpose.
   */
  lagSeconds(pair: number, now: number): number {
    return now - this.#startableAt[pair]!
  }

  /** Returns all pairs that have not been taken, for a run that ends early. */
  remaining(): number[] {
    return [...this.#plan.order].filter((pair) => !this.#isTaken[pair])
  }

  #enqueue(pair: number, round: number, isSkipped: boolean): void {
    this.#round[pair] = round
    if (isSkipped) {
      this.#isTaken[pair] = 1
      return
    }
    this.#sendsOf(pair).pairs.push(pair)
    this.#receivesOf(pair).pairs.push(pair)
    this.#waitingCount++
  }

  #sourceNode(pair: number): number {
    return this.#input.fleet.endpointNode[this.#input.pairs.sources[pair]!]!
  }

  #destinationNode(pair: number): number {
    return this.#input.fleet.endpointNode[this.#input.pairs.destinations[pair]!]!
  }

  #sendsOf(pair: number): Queue {
    return this.#sends[this.#sourceNode(pair)]!
  }

  #receivesOf(pair: number): Queue {
    return this.#receives[this.#destinationNode(pair)]!
  }

  #racksCrossed(pair: number): { from: number; to: number } | undefined {
    const { nodeRack } = this.#input.fleet
    const from = nodeRack[this.#sourceNode(pair)]!
    const to = nodeRack[this.#destinationNode(pair)]!
    return from >= 0 && to >= 0 && from !== to ? { from, to } : undefined
  }

  /** Whether all resources of a pair are free. */
  #fits(pair: number): boolean {
    const { pairs, caps } = this.#input
    if (this.#runningCount >= caps.total) return false
    if (this.#endpointSends[pairs.sources[pair]!] || this.#endpointReceives[pairs.destinations[pair]!])
      return false
    if (this.#sendsOf(pair).runningCount >= caps.perNode) return false
    if (this.#receivesOf(pair).runningCount >= caps.perNode) return false
    if (caps.exclusiveNodes) {
      const nodes = [this.#sourceNode(pair), this.#destinationNode(pair)]
      const isBusy = (node: number) =>
        this.#sends[node]!.runningCount + this.#receives[node]!.runningCount > 0
      if (nodes.some(isBusy)) return false
    }
    const racks = this.#racksCrossed(pair)
    if (!racks) return true
    return this.#uplinks.out[racks.from]! < caps.perUplink && this.#uplinks.in[racks.to]! < caps.perUplink
  }

  #occupy(pair: number, change: 1 | -1): void {
    const { sources, destinations } = this.#input.pairs
    this.#runningCount += change
    this.#endpointSends[sources[pair]!]! += change
    this.#endpointReceives[destinations[pair]!]! += change
    this.#sendsOf(pair).runningCount += change
    this.#receivesOf(pair).runningCount += change
    const racks = this.#racksCrossed(pair)
    if (!racks) return
    this.#uplinks.out[racks.from]! += change
    this.#uplinks.in[racks.to]! += change
  }

  /** Returns the round of the next pair of a queue; Infinity for an empty queue. */
  #nextRound(queue: Queue): number {
    while (queue.next < queue.pairs.length && this.#isTaken[queue.pairs[queue.next]!]) queue.next++
    if (queue.next >= queue.pairs.length) return Number.POSITIVE_INFINITY
    return this.#round[queue.pairs[queue.next]!]!
  }

  /** The queues in which a pair must be next: those of its nodes and directions, or of both directions. */
  #queuesOf(pair: number): Queue[] {
    const queues = [this.#sendsOf(pair), this.#receivesOf(pair)]
    if (!this.#input.caps.exclusiveNodes) return queues
    return [...queues, this.#receives[this.#sourceNode(pair)]!, this.#sends[this.#destinationNode(pair)]!]
  }

  #isNext(pair: number): boolean {
    return this.#queuesOf(pair).every((queue) => this.#round[pair]! <= this.#nextRound(queue))
  }

  /** Every startable pair was taken at the last `take`, so a pair became startable when something ended since then. */
  #startableSince(pair: number, now: number): number {
    const { caps } = this.#input
    const idle = Math.max(...this.#queuesOf(pair).map(({ idleSince }) => idleSince))
    const racks = Number.isFinite(caps.perUplink) ? this.#racksCrossed(pair) : undefined
    const uplinks = racks ? [this.#uplinks.outFreedAt[racks.from]!, this.#uplinks.inFreedAt[racks.to]!] : []
    const total = Number.isFinite(caps.total) ? [this.#freedAt] : []
    return Math.max(this.#freedSinceTake ?? now, idle, ...uplinks, ...total)
  }

  #isIdleLongEnough(queue: Queue, now: number): boolean {
    return queue.runningCount === 0 && now - queue.idleSince >= this.#patienceSeconds
  }

  /** Examines once what every node sends next. */
  #takeOnce(now: number): number[] {
    const started: number[] = []
    for (const queue of this.#sends) {
      const first = this.#nextRound(queue)
      const mayReorder = this.#isIdleLongEnough(queue, now)
      for (let index = queue.next; index < queue.pairs.length; index++) {
        const pair = queue.pairs[index]!
        if (this.#isTaken[pair]) continue
        if (this.#round[pair]! > first && !mayReorder) break
        if (!this.#fits(pair)) continue
        const isInOrder = this.#isNext(pair)
        if (!isInOrder && !(mayReorder && this.#isIdleLongEnough(this.#receivesOf(pair), now))) continue
        this.#startableAt[pair] = isInOrder ? this.#startableSince(pair, now) : now
        this.#isTaken[pair] = 1
        this.#waitingCount--
        this.#occupy(pair, 1)
        started.push(pair)
        if (queue.runningCount >= this.#input.caps.perNode) break
      }
    }
    return started
  }
}
