/** Converts results of pairs from and to their messages: those of the API and of stored records. */

import { Endpoint, type PairResult as PairResultMessage } from '#proto/meshgauge/collector/v1/result.ts'
import type { PairResult, PairValues } from './pair-result.ts'

const valuesOf = (values: PairResultMessage['values']): PairValues | undefined => {
  if (values?.$case === 'ping') return { kind: 'ping', ...values.value }
  return values && { kind: 'iperf', ...values.value }
}

export const pairResultOf = (message: PairResultMessage): PairResult => ({
  ...message,
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

export const pairResultMessage = (result: PairResult): PairResultMessage => ({
  ...result,
  values: valuesMessage(result.values),
})
