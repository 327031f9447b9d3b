/** Converts runs from and to their messages: those of the API and of stored records. */

import { Plan, Progress, type Run as RunMessage, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { judgementMessage, judgementOf } from '../diagnosis/judgement-message.ts'
import { summaryMessage, summaryOf } from '../diagnosis/summary-message.ts'
import { verdictMessage, verdictOf } from '../diagnosis/verdict-message.ts'
import { metadataMessage, metadataOf } from '../inventory/node-message.ts'
import { runSpecMessage, runSpecOf } from '../plan/run-spec-message.ts'
import type { Run } from './run.ts'

const mapValues = <T, U>(record: Readonly<Record<string, T>>, convert: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]))

/** @throws Error when the message has no test, or a verdict that this version does not know */
export const runOf = (message: RunMessage): Run => ({
  ...message,
  spec: runSpecOf(message.spec ?? RunSpec.fromPartial({})),
  plan: message.plan ?? Plan.fromPartial({}),
  summary: message.summary && summaryOf(message.summary),
  judgement: message.judgement && judgementOf(message.judgement),
  verdicts: message.verdicts.map(verdictOf),
  nodeMetadata: mapValues(message.nodeMetadata, metadataOf),
  progress: message.progress ?? Progress.fromPartial({ pairCount: message.plan?.pairCount ?? 0 }),
})

export const runMessage = (run: Run): RunMessage => ({
  ...run,
  spec: runSpecMessage(run.spec),
  summary: run.summary && summaryMessage(run.summary),
  judgement: run.judgement && judgementMessage(run.judgement),
  verdicts: run.verdicts.map(verdictMessage),
  nodeMetadata: mapValues(run.nodeMetadata, metadataMessage),
})
