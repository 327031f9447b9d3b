import type { IperfResult } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { PingStatistics } from '#proto/meshgauge/agent/v1/ping.ts'
import type { Endpoint, PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'

/** A directed pair of interfaces with the addresses that were measured. */
export type EndpointPair = { source: Endpoint; destination: Endpoint }

export type PairValues = ({ kind: 'ping' } & PingStatistics) | ({ kind: 'iperf' } & IperfResult)

/** What one pair of a run produced. */
export type PairResult = Omit<PairResultMessage, keyof EndpointPair | 'values'> &
  EndpointPair & { values: PairValues | undefined }

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
  ...fields,
})
