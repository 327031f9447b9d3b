/** Converts the failure of a program to an error with the outcome of the measurement. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult } from '../processes.ts'
import { EngineError, type EngineErrorKind } from './engine.ts'

const MAX_QUOTE_CHARACTERS = 200

/** Makes the output of a program fit on one line of a message. */
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
  // A program that ended with an error message has not measured. Others may have, but not reliably.
  const gaveUp = result.notFound || result.aborted || (result.exitCode !== undefined && result.exitCode > 0)
  return gaveUp && !result.flooded ? Outcome.OUTCOME_NOT_RUN : Outcome.OUTCOME_INVALID
}

/** The error of a program that was ended because its output was not understood. */
export const unexpectedOutputError = (program: string, unknown: readonly string[]): EngineError =>
  new EngineError(
    'failed',
    Outcome.OUTCOME_INVALID,
    `${program} was ended: unexpected output: ${quote(unknown[0] ?? '')}`,
  )

/** @param unknown lines that were not understood; the first one is part of the message */
export const programError = (
  program: string,
  result: ProcessResult,
  unknown: readonly string[],
): EngineError => {
  const reason = result.reason || `${program} ended without its summary`
  const seen = unknown.map(quote).find((text) => text !== '' && !reason.includes(text))
  return new EngineError(kindOf(result), outcomeOf(result), seen ? `${reason}; it wrote: ${seen}` : reason)
}
