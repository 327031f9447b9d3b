import type { FlowChange, IperfSample } from '#proto/meshgauge/agent/v1/iperf.ts'
import { formatDuration } from '../../../lib/units.ts'
import type { FlowSide } from '../agents/flow-reports.ts'

/** One side of a flow. */
type Side = {
  isOpen: boolean
  /** Why its call is not open. */
  callProblem: string
  /** Why its program does not run. */
  programProblem: string
  sampledSeconds: number
  bitsPerSecond: number
}

const createSide = (): Side => ({
  isOpen: false,
  callProblem: '',
  programProblem: '',
  sampledSeconds: Number.NEGATIVE_INFINITY,
  bitsPerSecond: 0,
})

/** The clock of all flows of a traffic. */
export type FlowClock = {
  monotonicSeconds(): number
  /** A sample counts for this time. A flow without a newer one does not move. */
  readonly freshSeconds: number
}

/** The state of one flow. */
export class Flow {
  readonly #clock: FlowClock
  readonly #server = createSide()
  readonly #client = createSide()
  #movedSeconds = Number.NEGATIVE_INFINITY
  /** Restarts that earlier agents counted, and those by the collector. */
  #earlierRestarts = 0
  /** Restarts that the current agent of the source counts. */
  #agentRestarts = 0
  /** Where the server listens, or listened last; 0 and '' before. */
  port = 0
  address = ''
  receivedBytes = 0

  constructor(clock: FlowClock) {
    this.#clock = clock
  }

  onServing(address: string, port: number): void {
    Object.assign(this, { address, port })
    Object.assign(this.#server, { isOpen: true, callProblem: '' })
  }

  onSending(): void {
    Object.assign(this.#client, { isOpen: true, callProblem: '' })
  }

  onLost(name: FlowSide, callProblem: string): void {
    const side = this.#side(name)
    // The next call starts the client again. That is a restart too.
    if (name === 'client' && side.isOpen) {
      this.#earlierRestarts += this.#agentRestarts + 1
      this.#agentRestarts = 0
    }
    Object.assign(side, { isOpen: false, callProblem, programProblem: '' })
  }

  onProgramChange(name: FlowSide, { running, reason, restartCount }: FlowChange): void {
    this.#side(name).programProblem = running ? '' : reason
    if (name === 'client') this.#agentRestarts = restartCount
  }

  onReceived({ bytes, bitsPerSecond }: IperfSample): void {
    Object.assign(this.#server, { sampledSeconds: this.#clock.monotonicSeconds(), bitsPerSecond })
    if (bytes <= 0) return
    this.receivedBytes += bytes
    this.#movedSeconds = this.#clock.monotonicSeconds()
  }

  onSent({ bitsPerSecond }: IperfSample): void {
    Object.assign(this.#client, { sampledSeconds: this.#clock.monotonicSeconds(), bitsPerSecond })
  }

  get isServing(): boolean {
    return this.#server.isOpen
  }

  /** Whether bytes have arrived recently. */
  get isMoving(): boolean {
    return this.#isFresh(this.#movedSeconds)
  }

  get restartCount(): number {
    return this.#earlierRestarts + this.#agentRestarts
  }

  get sentBitsPerSecond(): number {
    return this.#rateOf(this.#client)
  }

  get receivedBitsPerSecond(): number {
    return this.#rateOf(this.#server)
  }

  /** Why the flow does not move; empty when it does. */
  get reason(): string {
    if (this.isMoving) return ''
    const silentSeconds = this.#clock.monotonicSeconds() - this.#movedSeconds
    return (
      this.#programReason() ??
      (Number.isFinite(silentSeconds)
        ? `no bytes have arrived for ${formatDuration(silentSeconds)}`
        : 'no bytes have arrived yet')
    )
  }

  /** As `reason`, but without a duration: the same text for all flows with the same problem. */
  get problem(): string {
    if (this.isMoving) return ''
    const hasMoved = Number.isFinite(this.#movedSeconds)
    return this.#programReason() ?? (hasMoved ? 'no bytes arrive any more' : 'no bytes have arrived yet')
  }

  /** Undefined when both programs run. */
  #programReason(): string | undefined {
    const [server, client] = [this.#server, this.#client]
    const callProblem = server.callProblem || client.callProblem
    if (callProblem) return callProblem
    if (!server.isOpen) return 'its server is starting'
    if (!client.isOpen) return 'its client is starting'
    if (server.programProblem) return `its server: ${server.programProblem}`
    if (client.programProblem) return `its client: ${client.programProblem}`
    return undefined
  }

  #side(name: FlowSide): Side {
    return name === 'server' ? this.#server : this.#client
  }

  #isFresh(seconds: number): boolean {
    return this.#clock.monotonicSeconds() - seconds <= this.#clock.freshSeconds
  }

  #rateOf({ sampledSeconds, bitsPerSecond }: Side): number {
    return this.#isFresh(sampledSeconds) ? bitsPerSecond : 0
  }
}
