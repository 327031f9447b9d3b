/** Options that `agent` and `collector` share. */

import type { ValueReader } from './value-reader.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const LOG_LEVELS_HELP = `One of ${LOG_LEVELS.join(', ')}`

export const readLogLevel = (read: ValueReader, text: string | undefined): string | undefined =>
  read.choice('--log-level', text, LOG_LEVELS)

/** Collects the values of a repeatable option. */
export const repeated = (value: string, earlier: string[] | undefined): string[] => [
  ...(earlier ?? []),
  value,
]

/** Parses `key=value` texts. A repeated key is a problem. */
export const readKeyValues = (
  read: ValueReader,
  place: string,
  texts: readonly string[],
  form: string,
): Record<string, string> => {
  const entries = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const [key, value] = [text.slice(0, at), text.slice(at + 1)]
    if (at < 1 || value === '') read.refuse(place, `"${text}" is not ${form}`)
    else if (entries.has(key)) read.refuse(place, `${key} is given twice`)
    else entries.set(key, value)
  }
  return Object.fromEntries(entries)
}
