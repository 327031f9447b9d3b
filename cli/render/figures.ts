import { formatDuration } from '../../lib/units.ts'

/** The first sentence of a text, for a table: the full text is in the details. */
export const firstSentence = (text: string): string => /^.*?[.!?](?=\s|$)/s.exec(text)?.[0] ?? text

/** The time since a moment, such as `2 s ago`. `never` for undefined. */
export const ago = (moment: Date | undefined, now: Date): string => {
  if (!moment) return 'never'
  const seconds = Math.max(0, (now.getTime() - moment.getTime()) / 1000)
  if (seconds < 1) return 'now'
  return seconds < 120 ? `${Math.round(seconds)} s ago` : `${formatDuration(seconds)} ago`
}

/** Compares names with their numbers: node-2 is before node-10. */
export const compareNames = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
