/** Converts results of pairs from and to their messages: those of the API and of stored records. */

import {
  Endpoint,
  PairMark,
  type PairResult as PairResultMessage,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { PairResult, PairValues } from './pair-result.ts'

const valuesOf = (values: PairResultMessage['values']): PairValues | undefined => {
  if (values?.$case === 'ping') return { kind: 'ping', ...values.value }
  return values && { kind: 'iperf', ...values.value }
}

export const pairResultOf = ({ mark, ...message }: PairResultMessage): PairResult => ({
  ...message,
  sourceSpeedBitsPerSecond: message.sourceSpeedBitsPerSecond,
  destinationSpeedBitsPerSecond: message.destinationSpeedBitsPerSecond,
  programFault: message.programFault,
  isMarked: mark === PairMark.PAIR_MARK_BAD,
  source: message.source ?? Endpoint.fromPartial({}),
  destination: message.destination ?? Endpoint.fromPartial({}),
  values: valuesOf(message.values),
})

const valuesMessage = (values: PairValues | undefined): PairResultMessage['values'] => {
  if (values?.kind === 'ping') {
    const { kind, ...value } = values
    return { $case: kind, value }
  }
  if (values === undefined) return undefined
  const { kind, ...value } = values
  return { $case: kind, value }
}

export const markMessage = (isMarked: boolean): PairMark =>
  isMarked ? PairMark.PAIR_MARK_BAD : PairMark.PAIR_MARK_UNSPECIFIED

export const pairResultMessage = ({
  sourceSpeedBitsPerSecond,
  destinationSpeedBitsPerSecond,
  isMarked,
  ...result
}: PairResult): PairResultMessage => ({
  ...result,
  values: valuesMessage(result.values),
  ...(sourceSpeedBitsPerSecond !== undefined && { sourceSpeedBitsPerSecond }),
  ...(destinationSpeedBitsPerSecond !== undefined && { destinationSpeedBitsPerSecond }),
  mark: markMessage(isMarked),
})
