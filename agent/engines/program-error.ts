/** Converts the failure of a program to an error with the outcome of the measurement. */

import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import type { ProcessResult } from '../processes.ts'
import { EngineError, type EngineErrorKind } from './engine.ts'
import { type Fault, faultOfEnd, programFault } from './program-fault.ts'

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

/** Messages of a program that works, about this host or its permissions. */
const NO_FAULT =
  /Operation not permitted|Permission denied|Network is|No route|Invalid argument|No buffer space/i

/** Why the program itself is at fault; undefined when it reported an error of this host, or was ended on request. */
const faultOf = (result: ProcessResult): Fault => {
  if (result.timedOut) return `hangs: ${result.reason}`
  const fault = faultOfEnd(result)
  if (fault !== undefined || result.aborted || kindOf(result) !== 'failed') return fault
  if (NO_FAULT.test(result.stderrTail)) return undefined
  return result.reason === '' ? 'ends without its summary' : `fails: ${result.reason}`
}

/**
 * The error of a program that is itself at fault.
 * @param program its usual name, not the path that an option gives
 * @param fault a verb with details
 */
export const faultError = (program: string, fault: string): EngineError => {
  return new EngineError(
    'failed',
    Outcome.OUTCOME_INVALID,
    `${program} ${fault}`,
    programFault(program, fault),
  )
}

/** The error of a program that was ended because its output was not understood. */
export const unexpectedOutputError = (program: string, unknown: readonly string[]): EngineError =>
  faultError(program, `was ended: unexpected output: ${quote(unknown[0] ?? '')}`)

/** @param unknown lines that were not understood; the first one is part of the message */
export const programError = (
  program: string,
  result: ProcessResult,
  unknown: readonly string[],
): EngineError => {
  const reason = result.reason || `${program} ended without its summary`
  const seen = unknown.map(quote).find((text) => text !== '' && !reason.includes(text))
  const fault = faultOf(result)
  const outcome = fault === undefined ? Outcome.OUTCOME_NOT_RUN : Outcome.OUTCOME_INVALID
  const text = seen ? `${reason}; it wrote: ${seen}` : reason
  return new EngineError(kindOf(result), outcome, text, programFault(program, fault))
}
