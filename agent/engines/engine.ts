/** What every engine is to the rest of the agent. Adding one: a folder beside this file and a line in engines.ts. */

import type {
  Flow,
  IperfOptions,
  IperfResult,
  IperfSample,
  ServeRequest,
  ServeResult,
} from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Processes } from '../processes.ts'

/** What the engines need of the agent. */
export type EngineDeps = { processes: Processes; clock: Clock }

/** Where the programs are, when not in the PATH under their own names. */
export type EngineOptions = {
  programs?: { fping?: string; ping?: string; iperf3?: string; netperf?: string; netserver?: string }
  /** The port that engine tcp connects to when a target names none: the agent's own. */
  agentPort: number
}

/** What an engine's program on this node can do. `reasons` is empty when available, else it holds all reasons. */
export type Detection = { available: boolean; version: string; reasons: string[] }

/** One thing wrong with a request; `field` is its path in the message, such as `targets[2].address`. */
export type Violation = { field: string; description: string }

/** One probe whose answer came or whose timeout passed. */
export type PingProbe = {
  /** Position of the target in the request. */
  targetIndex: number
  /** Undefined when the probe was lost. A refusal is an answer, so it has a round-trip time. */
  rttSeconds: number | undefined
  /** The peer answered and said no (tcp: RST). */
  refused: boolean
  /** Why there was no good answer, in words, when something said so; else empty. */
  reason: string
}

/** Takes what PingProbe tells, without an object for each probe. */
export type PingSink = (
  targetIndex: number,
  rttSeconds: number | undefined,
  refused: boolean,
  reason: string,
) => void

/** Where probes leave from: what the agent knows of the interface that the request names. */
export type PingSource = {
  /** Name of the interface; empty lets the routing table decide. */
  interface: string
  /** Its addresses, of both families; the first of the target's family is used as the source. */
  addresses: readonly string[]
}

/**
 * Trouble with the engine itself, as opposed to a measured outcome of one target: the program is missing, died or
 * wrote rubbish. It says which outcome it means for the pairs that were to be measured.
 */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly kind: EngineErrorKind
  readonly outcome: Outcome

  constructor(kind: EngineErrorKind, outcome: Outcome, reason: string) {
    super(reason)
    this.kind = kind
    this.outcome = outcome
  }
}

/**
 * `unavailable`: cannot run here; `address-in-use`: another program has the port, so lease another;
 * `address-missing`: no interface of this node has the address; `failed`: it ran and broke.
 */
export type EngineErrorKind = 'unavailable' | 'address-in-use' | 'address-missing' | 'failed'

export type PingEngine = {
  readonly name: string
  /** Runs the program for real, once. */
  detect(signal: AbortSignal): Promise<Detection>
  /** All violations of what this engine can do; the fields that no engine reads are not its business. */
  validate(request: PingRequest): Violation[]
  /**
   * Probes all targets. Ends when each target has had its probes; throws EngineError on trouble with the engine, and
   * `signal.reason` when aborted. However it ends, nothing that it started is left.
   */
  ping(request: PingRequest, source: PingSource, signal: AbortSignal): AsyncIterable<PingProbe>
  /**
   * As `ping` of a continuous request, for very many probes over a very long time: they go to the sink in batches, and
   * what this node could not send at all is EngineError, not loss. An engine without it is read through `ping`.
   */
  pingContinuously?(
    request: PingRequest,
    source: PingSource,
    signal: AbortSignal,
    sink: PingSink,
  ): Promise<never>
}

/** One server to start. Address and port are already resolved. */
export type IperfListener = {
  address: string
  port: number
  /** Also bind to this device; empty does not. */
  interface: string
  cpu: number | undefined
  /** How long the server waits for its client. */
  idleSeconds: number
  /** How long the test will take, warm-up included; with idleSeconds it bounds the server's life. */
  durationSeconds: number
  /** Tells what the server receives, once in each interval. */
  watch?: { intervalSeconds: number; onSample(sample: IperfSample): void }
}

export type IperfServer = {
  /** Resolves once the port really listens; rejects with EngineError. Both promises never go unhandled. */
  readonly ready: Promise<void>
  /** How it ended. Resolves also when aborted (NOT_RUN); never rejects. */
  readonly done: Promise<ServeResult>
}

export type IperfEvent =
  | { kind: 'sample'; sample: IperfSample }
  /** Once, last. */
  | { kind: 'result'; result: IperfResult; retryable: boolean }

export type IperfEngine = {
  readonly name: string
  /** Ports in a row that one server needs: its own, and what its clients are told by it. */
  readonly portsPerServer: number
  detect(signal: AbortSignal): Promise<Detection>
  /** All violations in flows and options, with paths such as `options.tos`. */
  validateRun(flows: readonly Flow[], options: IperfOptions | undefined): Violation[]
  validateServe(request: ServeRequest): Violation[]
  /**
   * For traffic that is kept up by one bounded test after the other: the options of a test of so many seconds at most,
   * such that bytes move in every interval also at low rates. Absent in engines that cannot.
   */
  readonly sustainedOptions?: (options: IperfOptions | undefined, seconds: number) => IperfOptions
  /** Starts one server that serves one test. Aborting the signal ends it. */
  serve(listener: IperfListener, signal: AbortSignal): IperfServer
  /**
   * Runs one client. Yields samples (flowIndex 0: the caller knows the flow) and then one result; whatever goes wrong
   * on the way is in the result. Throws only `signal.reason` when aborted, after its processes are gone.
   */
  run(flow: Flow, options: IperfOptions | undefined, signal: AbortSignal): AsyncIterable<IperfEvent>
}
