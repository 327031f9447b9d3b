/** Converts runs from and to their messages: those of the API and of stored records. */

import { Plan, Progress, type Run as RunMessage, RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { runSpecMessage, runSpecOf } from '../plan/run-spec-message.ts'
import type { Run } from './run.ts'

/** @throws Error when the message has no test */
export const runOf = (message: RunMessage): Run => ({
  ...message,
  spec: runSpecOf(message.spec ?? RunSpec.fromPartial({})),
  plan: message.plan ?? Plan.fromPartial({}),
  progress: message.progress ?? Progress.fromPartial({ pairCount: message.plan?.pairCount ?? 0 }),
})

export const runMessage = (run: Run): RunMessage => ({ ...run, spec: runSpecMessage(run.spec) })
