/** The interface of all engines. To add one, see agent/README.md. */

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
import type { Violation } from '../../lib/errors.ts'
import type { IpPrefix } from '../../lib/ip-address.ts'
import type { Processes } from '../processes.ts'
import type { ProgramFault } from './program-fault.ts'

/** What engines need from the agent. */
export type EngineDeps = { processes: Processes; clock: Clock }

/** What no program of an iperf engine may exceed. Seconds and bit/s; 0 is no limit. */
export type Ceilings = { seconds: number; bitsPerSecond: number }

export const NO_CEILINGS: Ceilings = { seconds: Number.POSITIVE_INFINITY, bitsPerSecond: 0 }

/** Paths of the programs that are not on the PATH under their own names. */
export type EngineOptions = {
  programs?: { fping?: string; ping?: string; iperf3?: string; netperf?: string; netserver?: string }
  /** The port that engine tcp connects to when a target names none: the agent's own. */
  agentPort: number
  /** Other ports that engine tcp may connect to: an agent must not scan the ports of its peers. */
  tcpPorts?: readonly number[]
  /** Longest test in seconds, after which every program is ended, and the highest rate of a flow in bit/s; 0 is none. */
  ceilings?: Ceilings
}

/**
 * Whether an engine can run on this node. `reasons` is empty when available, else it has all reasons. `fault` is set for a
 * program that is installed and hangs or crashes.
 */
export type Detection = { available: boolean; version: string; reasons: string[]; fault?: ProgramFault }

/**
 * The round-trip time of a probe that was answered, but whose time the program reported as impossible, such as negative.
 * It is no loss, and no value of it is shown.
 */
export const UNUSABLE_RTT = -1

/** One probe that was answered or has timed out. */
export type PingProbe = {
  /** Position of the target in the request. */
  targetIndex: number
  /**
   * Undefined when the probe was lost; UNUSABLE_RTT when it was answered after an unknown time. A refusal is an answer
   * and has a round-trip time.
   */
  rttSeconds: number | undefined
  /** The peer refused (tcp: RST). */
  refused: boolean
  /** The reported cause of a loss or refusal; empty when there is none. */
  reason: string
}

/** Receives the fields of a PingProbe, without an object for each probe. */
export type PingSink = (
  targetIndex: number,
  rttSeconds: number | undefined,
  refused: boolean,
  reason: string,
) => void

/** Where probes are sent from: the interface that the request names. */
export type PingSource = {
  /** Name of the interface; empty lets the routing table decide. */
  interface: string
  /** Its addresses, of both families; the one in the network of the target is used as the source. */
  addresses: readonly IpPrefix[]
}

/**
 * A failure of the engine itself, as opposed to a measured outcome of one target: the program is missing, ended or wrote
 * unexpected output. `outcome` applies to the pairs that were to be measured.
 */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly kind: EngineErrorKind
  readonly outcome: Outcome
  /** Set when the program itself is at fault, and neither the network nor the request. */
  readonly programFault: ProgramFault | undefined

  constructor(kind: EngineErrorKind, outcome: Outcome, reason: string, programFault?: ProgramFault) {
    super(reason)
    this.kind = kind
    this.outcome = outcome
    this.programFault = programFault
  }
}

/**
 * `unavailable`: cannot run here; `address-in-use`: another program has the port, so lease another;
 * `address-missing`: no interface of this node has the address; `failed`: it ran and broke.
 */
export type EngineErrorKind = 'unavailable' | 'address-in-use' | 'address-missing' | 'failed'

export type PingEngine = {
  readonly name: string
  /** Runs the program once to check it. */
  detect(signal: AbortSignal): Promise<Detection>
  /** Returns all violations; checks only the fields that engines read. */
  validate(request: PingRequest): Violation[]
  /**
   * Probes all targets. Ends when each target has had its probes, and leaves no program running.
   * @throws EngineError when the engine fails, `signal.reason` when aborted
   */
  ping(request: PingRequest, source: PingSource, signal: AbortSignal): AsyncIterable<PingProbe>
  /**
   * Like `ping` of a continuous request, for high rates over a long time: probes go to the sink in batches. When this
   * node could not send at all, it throws EngineError and reports no loss. Without this method, `ping` is used.
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
  /** Longest time that the server waits for its client. */
  idleSeconds: number
  /** Expected duration of the test with its warm-up; with idleSeconds it bounds the life of the server. */
  durationSeconds: number
  /** Runs the server at the lowest CPU priority: nobody measures its rate, and there may be hundreds on a node. */
  isBackground?: boolean
  /** Reports the received bytes of each interval. */
  samples?: { intervalSeconds: number; onSample(sample: IperfSample): void }
}

export type IperfServer = {
  /** Resolves when the port listens; rejects with EngineError. An unhandled rejection does no harm. */
  readonly ready: Promise<void>
  /** The result of the test. Resolves also when aborted (NOT_RUN); never rejects. */
  readonly done: Promise<ServeResult>
}

export type IperfEvent =
  | { kind: 'sample'; sample: IperfSample }
  /** The last event, once. */
  | { kind: 'result'; result: IperfResult; retryable: boolean }

export type IperfEngine = {
  readonly name: string
  /** Number of consecutive ports that one server needs: its own, and those that it announces to its clients. */
  readonly portsPerServer: number
  /** Whether its programs are bound to the device of the interface, so that all their bytes pass it. */
  readonly bindsDevice: boolean
  /** Whether clients and servers can keep to a bitrate. */
  readonly limitsRate: boolean
  detect(signal: AbortSignal): Promise<Detection>
  /** Returns all violations of flows and options, with paths such as `options.tos`. */
  validateRun(flows: readonly Flow[], options: IperfOptions | undefined): Violation[]
  validateServe(request: ServeRequest): Violation[]
  /**
   * Returns the options of one test of sustained traffic, which is a sequence of tests of at most `seconds`. Bytes move
   * in every interval, also at low rates. Absent in engines without sustained traffic.
   */
  readonly sustainedOptions?: (options: IperfOptions | undefined, seconds: number) => IperfOptions
  /** Starts one server that serves one test. Aborting the signal ends it. */
  serve(listener: IperfListener, signal: AbortSignal): IperfServer
  /**
   * Runs one client. Yields samples with flowIndex 0, then one result, which also reports any failure.
   * @param background for sustained traffic: runs at the lowest CPU priority, with this time to connect
   * @throws only `signal.reason` when aborted, after its processes have ended
   */
  run(
    flow: Flow,
    options: IperfOptions | undefined,
    signal: AbortSignal,
    background?: { connectSeconds: number },
  ): AsyncIterable<IperfEvent>
}
