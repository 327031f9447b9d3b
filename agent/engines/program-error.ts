/** What it means for the measurement when a program did not do its work. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult } from '../processes.ts'
import { EngineError, type EngineErrorKind } from './engine.ts'

const MAX_QUOTE_CHARACTERS = 200

/** What a program wrote, fit for one line of a report. */
export const quote = (text: string): string => {
  const printable = text.replaceAll(/\p{Cc}+/gu, ' ').trim()
  return printable.length > MAX_QUOTE_CHARACTERS ? `${printable.slice(0, MAX_QUOTE_CHARACTERS)}…` : printable
}

const ADDRESS_MISSING = /Cannot assign requested address|No such device/i
const ADDRESS_IN_USE = /Address already in use/i

const kindOf = (result: ProcessResult): EngineErrorKind => {
  if (result.notFound) return 'unavailable'
  if (ADDRESS_IN_USE.test(result.stderrTail)) return 'address-in-use'
  return ADDRESS_MISSING.test(result.stderrTail) ? 'address-missing' : 'failed'
}

const outcomeOf = (result: ProcessResult): Outcome => {
  if (result.timedOut) return Outcome.OUTCOME_TIMED_OUT
  // A program that gave up with a message never measured; all else may have, but not so that it can be trusted.
  const gaveUp = result.notFound || result.aborted || (result.exitCode !== undefined && result.exitCode > 0)
  return gaveUp && !result.flooded ? Outcome.OUTCOME_NOT_RUN : Outcome.OUTCOME_INVALID
}

/** For a program that had to be ended because it goes on writing what its parser does not know. */
export const rubbishError = (program: string, unknown: readonly string[]): EngineError =>
  new EngineError(
    'failed',
    Outcome.OUTCOME_INVALID,
    `${program} was ended: it writes what such a program never does: ${quote(unknown[0] ?? '')}`,
  )

/** `unknown` are the lines that were not understood; the first one is told, for who has to find out. */
export const programError = (
  program: string,
  result: ProcessResult,
  unknown: readonly string[],
): EngineError => {
  const reason = result.reason || `${program} ended without its summary`
  const seen = unknown.map(quote).find((text) => text !== '' && !reason.includes(text))
  return new EngineError(kindOf(result), outcomeOf(result), seen ? `${reason}; it wrote: ${seen}` : reason)
}
