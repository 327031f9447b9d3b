/** Converts runs from and to their messages: those of the API and of stored records. */

import { Plan, Progress, type Run as RunMessage, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { metadataMessage, metadataOf } from '../inventory/node-message.ts'
import { runSpecMessage, runSpecOf } from '../plan/run-spec-message.ts'
import type { Run } from './run.ts'

const mapValues = <T, U>(record: Readonly<Record<string, T>>, convert: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]))

/** @throws Error when the message has no test */
export const runOf = (message: RunMessage): Run => ({
  ...message,
  spec: runSpecOf(message.spec ?? RunSpec.fromPartial({})),
  plan: message.plan ?? Plan.fromPartial({}),
  nodeMetadata: mapValues(message.nodeMetadata, metadataOf),
  progress: message.progress ?? Progress.fromPartial({ pairCount: message.plan?.pairCount ?? 0 }),
})

export const runMessage = (run: Run): RunMessage => ({
  ...run,
  spec: runSpecMessage(run.spec),
  nodeMetadata: mapValues(run.nodeMetadata, metadataMessage),
})
