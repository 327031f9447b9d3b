import type { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Endpoint, PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'

/** A directed pair of interfaces with the addresses that were measured. */
export type EndpointPair = { source: Endpoint; destination: Endpoint }

export type PairValues = ({ kind: 'ping' } & PingStatistics) | ({ kind: 'iperf' } & IperfResult)

/** The `program` of a fault of the host itself: it did not get the processor time that the test needed. */
export const CPU = 'CPU'

/** A program of one node failed, and not the network. */
export type ProgramFault = {
  /** Empty when it is not known which of the two programs is wrong. */
  readonly node: string
  readonly program: string
  /** What it does, such as `hangs: it printed no line within 3 s`. */
  readonly problem: string
}

type ConvertedFields =
  | keyof EndpointPair
  | 'values'
  | 'sourceSpeedBitsPerSecond'
  | 'destinationSpeedBitsPerSecond'
  | 'programFault'
  | 'mark'

/** What one pair of a run produced. */
export type PairResult = Omit<PairResultMessage, ConvertedFields> &
  EndpointPair & {
    values: PairValues | undefined
    /** Link speeds of the interfaces. Undefined where they are not known. */
    sourceSpeedBitsPerSecond: number | undefined
    destinationSpeedBitsPerSecond: number | undefined
    /** Local evidence. The outcome is then INVALID. */
    programFault: ProgramFault | undefined
    /** Whether the judgement of the run marks the pair as bad. */
    isMarked: boolean
  }

/** Returns a result of a pair. Fields that are not given are empty. */
export const createPairResult = (
  fields: Pick<PairResult, 'source' | 'destination' | 'outcome'> & Partial<PairResult>,
): PairResult => ({
  reason: '',
  values: undefined,
  samples: [],
  engine: undefined,
  attemptCount: 0,
  traceId: '',
  spanId: '',
  startTime: undefined,
  endTime: undefined,
  round: 0,
  sourceHost: undefined,
  destinationHost: undefined,
  sourceSpeedBitsPerSecond: undefined,
  destinationSpeedBitsPerSecond: undefined,
  programFault: undefined,
  isMarked: false,
  ...fields,
})
