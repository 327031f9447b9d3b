import { formatDuration } from '../../lib/units.ts'

/** A whole number with its thousands apart: 4,032. */
export const formatCount = (count: number): string => count.toLocaleString('en-US')

/** `1 pair`, `4,032 pairs`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`

/** `2 s ago`; `never` when there is no such moment. */
export const ago = (moment: Date | undefined, now: Date): string => {
  if (!moment) return 'never'
  const seconds = Math.max(0, (now.getTime() - moment.getTime()) / 1000)
  if (seconds < 1) return 'now'
  return seconds < 120 ? `${Math.round(seconds)} s ago` : `${formatDuration(seconds)} ago`
}

/** Names as people sort them: node-2 before node-10. */
export const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
